/** Whether a kernel release such as "6.1.0-25-amd64" is at least major.minor. */
export function isAtLeast(text: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = text.split(".").map((part) => Number.parseInt(part, 10));
  return first > major || (first === major && second >= minor);
}
