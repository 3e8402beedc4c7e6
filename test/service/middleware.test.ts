import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, request as tlsRequest } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import Fastify from "fastify";
import {
  expressTraffic,
  fastifyTraffic,
  type MiddlewareOptions,
  nodeHttp,
  type RequestFigures,
} from "sparsewire";
import { Collected, type Links, until } from "./support.js";

const BODY = "x".repeat(5000);

interface Service {
  server: Server;
  figures?: Readonly<RequestFigures>;
}

type Start = (collected: Collected, options?: MiddlewareOptions) => Promise<Service>;

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume().on("end", () => response.end(BODY));
}

/** Each framework with a service that takes a body and answers 5000 bytes. */
const FRAMEWORKS: Record<string, Start> = {
  "node:http": async ({ matrix }, options) => {
    const server = createServer(answer);
    const { figures } = nodeHttp(server, matrix, options);
    await listening(server);
    return { server, figures };
  },
  Fastify: async ({ matrix }, options) => {
    const app = Fastify();
    app.addContentTypeParser(
      "*",
      (_request, payload, done) => void payload.resume().on("end", () => done(null)),
    );
    await app.register(fastifyTraffic, { matrix, ...options });
    app.all("/", () => BODY);
    // What never reaches the wire is not observed.
    assert.equal((await app.inject({ url: "/" })).body, BODY);
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { server: app.server };
  },
  Express: async ({ matrix }, options) => {
    // The package brings no types, and needs none here.
    const express = (await import("express" as string)).default;
    const app = express();
    const middleware = expressTraffic(matrix, options);
    app.use(middleware);
    app.use(answer);
    const server = createServer(app);
    await listening(server);
    return { server, figures: middleware.figures };
  },
};

/** One request on a connection of its own; returns the bytes that its socket sent and received. */
function ask(server: Server, headers: Record<string, string | string[]> = {}, body = ""): Promise<number> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", method: "POST", headers, agent: false }, (response) => {
      const { socket } = response;
      response.resume().on("end", () => resolve(socket.bytesRead + socket.bytesWritten));
    });
    sent.on("error", reject).end(body);
  });
}

async function observed(
  start: Start,
  options: MiddlewareOptions | undefined,
  use: (server: Server) => Promise<void>,
): Promise<{ links: Links; figures: Readonly<RequestFigures> | undefined; collected: Collected }> {
  const collected = new Collected();
  const { server, figures } = await start(collected, options);
  await use(server);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await collected.matrix.close();
  assert.deepEqual(collected.errors, []);
  return { links: collected.links(), figures, collected };
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  describe(name, () => {
    it("observes client, service and exactly the bytes of request and response", async () => {
      let bytes = 0;
      const { links } = await observed(start, undefined, async (server) => {
        bytes += await ask(server);
        bytes += await ask(server, { "x-forwarded-for": "203.0.113.7" }, "y".repeat(70_000));
      });
      assert.deepEqual([...links], [["127.0.0.1 127.0.0.1", [2, bytes]]]);
    });

    it("takes the client from X-Forwarded-For as deep as it trusts it, and counts what is malformed", async () => {
      const options = { trustedProxies: 2, serviceAddress: "198.51.100.1" };
      const { links, figures } = await observed(start, options, async (server) => {
        await ask(server, { "x-forwarded-for": "6.6.6.6, 203.0.113.7, 10.0.0.9" });
        await ask(server, { "x-forwarded-for": ["203.0.113.7", "10.0.0.9"] });
        await ask(server, { "x-forwarded-for": "203.0.113.8" });
        await ask(server, { "x-forwarded-for": "2001:db8::7, 10.0.0.9" });
        await ask(server, { "x-forwarded-for": "<script>, 10.0.0.9" });
        await ask(server, { "x-forwarded-for": ",".repeat(5000) });
        await ask(server);
      });
      const requests = Object.fromEntries([...links].map(([link, [packets]]) => [link, packets]));
      assert.deepEqual(requests, {
        "203.0.113.7 198.51.100.1": 2,
        "203.0.113.8 198.51.100.1": 1,
        "2001:db8::7 ::ffff:198.51.100.1": 1,
        "127.0.0.1 198.51.100.1": 3,
      });
      if (figures !== undefined)
        assert.deepEqual(
          { ...figures },
          {
            requests: 7,
            unanswered: 0,
            malformedForwarded: 2,
          },
        );
    });
  });
}

describe("connections", () => {
  it("share out their bytes among the requests they carry, kept alive or pipelined", async () => {
    let bytes = 0;
    const { links } = await observed(FRAMEWORKS["node:http"]!, { trustedProxies: 1 }, async (server) => {
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      const get = (n: number) => `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.${n}\r\n\r\n`;
      let received = 0;
      socket.on("data", (data) => void (received += data.length));
      socket.write(get(1));
      await until(() => received > 5000);
      const first = received;
      socket.write(get(2) + get(3));
      await until(() => received === 3 * first);
      bytes = socket.bytesRead + socket.bytesWritten;
      socket.destroy();
    });
    assert.equal(links.size, 3);
    const [one, two, three] = [1, 2, 3].map((n) => links.get(`203.0.113.${n} 127.0.0.1`));
    assert.equal(one![1] * 3, bytes);
    assert.equal(one![1] + two![1] + three![1], bytes);
  });

  it("that break off in the middle of an answer are observed with what they carried", async () => {
    const stuck: Start = async ({ matrix }) => {
      const server = createServer((_request, response) => void response.write("x"));
      const { figures } = nodeHttp(server, matrix);
      await listening(server);
      return { server, figures };
    };
    const { links, figures } = await observed(stuck, undefined, async (server) => {
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await new Promise((resolve) => socket.once("data", resolve));
      socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, 50));
    });
    assert.deepEqual([figures!.requests, figures!.unanswered], [0, 1]);
    const [packets, bytes] = links.get("127.0.0.1 127.0.0.1")!;
    assert.ok(packets === 1 && bytes > 27, `${packets} ${bytes}`);
  });

  it("add up to the byte over many requests, each kept alive", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 3 });
    const sockets = new Set<Socket>();
    let bytes = 0;
    const { links, figures } = await observed(FRAMEWORKS["node:http"]!, undefined, async (server) => {
      const { port } = server.address() as AddressInfo;
      const one = (n: number) =>
        new Promise<void>((resolve, reject) => {
          const sent = request({ port, host: "127.0.0.1", method: "POST", agent }, (response) => {
            sockets.add(response.socket);
            response.resume().on("end", resolve);
          });
          sent.on("error", reject).end("z".repeat(n));
        });
      await Promise.all(Array.from({ length: 300 }, (_, n) => one(n)));
      for (const socket of sockets) bytes += socket.bytesRead + socket.bytesWritten;
      agent.destroy();
    });
    assert.equal(sockets.size, 3);
    assert.deepEqual([...links], [["127.0.0.1 127.0.0.1", [300, bytes]]]);
    assert.deepEqual({ ...figures }, { requests: 300, unanswered: 0, malformedForwarded: 0 });
  });

  it("that are upgraded, or speak no HTTP, are observed when they end", async () => {
    const echo: Start = async ({ matrix }) => {
      const server = createServer(answer);
      server.on("upgrade", (_request, socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
        socket.pipe(socket);
      });
      const { figures } = nodeHttp(server, matrix);
      await listening(server);
      return { server, figures };
    };
    let bytes = 0;
    const { links, figures } = await observed(echo, undefined, async (server) => {
      const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
      for (const opening of [upgrade, "no HTTP\r\n\r\n"]) {
        const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
        socket.write(opening);
        await once(socket, "data");
        if (opening === upgrade) {
          socket.write("x".repeat(10_000));
          await until(() => socket.bytesRead > 10_000);
        }
        bytes += socket.bytesRead + socket.bytesWritten;
        socket.end();
        await once(socket.resume(), "close");
      }
    });
    assert.deepEqual([...links], [["127.0.0.1 127.0.0.1", [2, bytes]]]);
    assert.deepEqual([figures!.requests, figures!.unanswered], [0, 2]);
  });

  it("with TLS are observed like others", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sparsewire-service-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=a";
    const made = spawnSync("openssl", [...command.split(" "), "-keyout", key, "-out", cert]);
    if (made.status !== 0) return t.skip("needs openssl to make a certificate");
    const secure: Start = async ({ matrix }) => {
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer);
      const { figures } = nodeHttp(server, matrix);
      await listening(server);
      return { server, figures };
    };
    const { links, figures } = await observed(secure, undefined, async (server) => {
      const { port } = server.address() as AddressInfo;
      const ended = new Promise((resolve) => {
        const options = { port, host: "127.0.0.1", agent: false, rejectUnauthorized: false };
        tlsRequest(options, (response) => response.resume().on("end", resolve)).end();
      });
      await ended;
    });
    const [packets, bytes] = links.get("127.0.0.1 127.0.0.1")!;
    assert.ok(packets === 1 && bytes > 5000, `${packets} ${bytes}`);
    assert.deepEqual([figures!.requests, figures!.unanswered], [1, 0]);
  });

  it("are not observed any more after stop()", async () => {
    const collected = new Collected();
    const server = createServer(answer);
    const observation = nodeHttp(server, collected.matrix);
    await listening(server);
    await ask(server);
    observation.stop();
    await ask(server);
    await new Promise((resolve) => server.close(resolve));
    await collected.matrix.close();
    assert.equal(collected.links().get("127.0.0.1 127.0.0.1")?.[0], 1);
  });

  it("ask for a sensible depth and service address", () => {
    const matrix = {} as never;
    for (const trustedProxies of [-1, 1.5, 65, Number.NaN])
      assert.throws(() => expressTraffic(matrix, { trustedProxies }), { code: "BAD_OPTIONS" });
    assert.throws(() => expressTraffic(matrix, { serviceAddress: "here" }), { code: "BAD_OPTIONS" });
  });
});
