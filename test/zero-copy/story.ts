/** Tests that stand on those before them: after a failure the others would only repeat it. */
import { type TestContext, test } from "node:test";

export type Step = (name: string, body: (t: TestContext) => Promise<void>) => void;

/** A row of steps of its own: once one has failed, those after it are skipped, and say which it was. */
export function story(): Step {
  let failed: string | undefined;
  return (name, body) => {
    test(name, async (t) => {
      if (failed !== undefined) {
        t.skip(`failed before: ${failed}`);
        return;
      }
      failed = name;
      await body(t);
      failed = undefined;
    });
  };
}
