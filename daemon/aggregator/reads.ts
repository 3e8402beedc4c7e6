/** Places for lists and for archives that are given back: reading them costs files and the thread's time. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { peerOf } from "../http/peer.js";
import { type Place, Slots, SlotsError } from "../http/slots.js";
import type { AggregatorConfig } from "./config.js";
import { slotRefusal } from "./refusal.js";

type Limits = AggregatorConfig["limits"];

export class Reads {
  readonly #slots: Slots;

  constructor(limits: Limits) {
    this.#slots = new Slots(slotBounds(limits));
  }

  set limits(limits: Limits) {
    this.#slots.bounds = slotBounds(limits);
  }

  /** A place for a request, for its taker to leave. Throws the refusal to answer when there is none in time. */
  async enter({ socket }: FastifyRequest, reply: FastifyReply): Promise<Place> {
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    try {
      return await this.#slots.enter({ peer: peerOf(socket.remoteAddress), gone: gone.signal });
    } catch (error) {
      throw error instanceof SlotsError ? slotRefusal(error, "reads") : error;
    }
  }
}

const slotBounds = ({ reads_max, queue_timeout }: Limits): Slots["bounds"] => ({
  max: reads_max,
  patienceMs: queue_timeout,
  rateMin: 0,
});
