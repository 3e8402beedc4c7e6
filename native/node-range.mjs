/** Which Node.js Sparsewire runs on: the floor and what has been tried, both of package.json. Runs on any Node.js. */
import { readFileSync } from "node:fs";

const { engines, nodes } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

const numbersOf = (version) => version.replace(/^\D+/, "").split(".").map(Number);
const FLOOR = numbersOf(engines.node);
/** The newest major release that the tests have run on. */
const NEWEST = Math.max(...nodes.tried.map((version) => numbersOf(version)[0]));

/**
 * What is to be said of a version of Node.js, nothing of those that will do. A refusal has a mend.
 * @param {string} version such as process.versions.node
 * @returns {{refusal?: string, mend?: string, warning?: string}}
 */
export function judgeNode(version) {
  const [major, minor] = numbersOf(version);
  if (major < FLOOR[0] || (major === FLOOR[0] && minor < FLOOR[1])) {
    return {
      refusal: `Node.js ${version} is too old`,
      mend: `install Node.js ${FLOOR[0]}.${FLOOR[1]} or newer`,
    };
  }
  if (major <= NEWEST) return {};
  return { warning: `Node.js ${version} is newer than any that Sparsewire was tried with (up to ${NEWEST})` };
}
