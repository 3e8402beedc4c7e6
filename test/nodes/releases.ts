/** Releases of Node.js in the cache that `npm run test:nodes` and the Debian package fill: native/nodes.mjs. */
const nodes = (await import(new URL("../../../native/nodes.mjs", import.meta.url).href)) as {
  TRIED_NODES: string[];
  PACKAGED_NODE: string;
  nodeFolder(version: string): string;
  cachedNodes(): [version: string, path: string][];
  fetchNode(version: string): string;
};

export const { TRIED_NODES, PACKAGED_NODE, nodeFolder, cachedNodes, fetchNode } = nodes;

const range = (await import(new URL("../../../native/node-range.mjs", import.meta.url).href)) as {
  judgeNode(version: string): { refusal?: string; mend?: string; warning?: string };
};

export const { judgeNode } = range;
