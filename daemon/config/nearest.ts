/** "Did you mean": the candidate that is a slip of the fingers away. */

/** 'did you mean "interval"?', or empty when nothing is near. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  let best = "";
  let distanceBest = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = slips(word.toLowerCase(), candidate.toLowerCase(), distanceBest);
    if (distance < distanceBest) {
      best = candidate;
      distanceBest = distance;
    }
  }
  return best === "" ? "" : `did you mean "${best}"?`;
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string
 * alignment distance); gives up and answers `limit` for words whose lengths alone differ that much.
 */
function slips(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, previous[j - 2]! + 1);
      }
      next.push(least);
    }
    previous = row;
    row = next;
  }
  return row[b.length]!;
}
