/** The [privileges] section of both daemons. */
import { z } from "zod";

export const privileges = z
  .strictObject({
    drop: z.boolean().default(true).describe("give up every capability once everything is open"),
    sandbox: z
      .boolean()
      .default(true)
      .describe(
        "then take no_new_privs, a seccomp filter and Landlock: sparsewire privileges tells what is left",
      ),
    user: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/, "a user's name")
      .optional()
      .describe("started as root, become this user then; what is written must be its own by then"),
  })
  .prefault({})
  .describe("what the process may do while it runs");

export type PrivilegesConfig = z.output<typeof privileges>;
