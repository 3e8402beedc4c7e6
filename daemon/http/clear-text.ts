/** A token goes over a network only under TLS: whoever listens on the way could use it as its owner does. */
import { isLoopback } from "./listen.js";

/**
 * Why a token may not be sent to `url`, undefined when it may. Names other than localhost cannot be told: they count as
 * another host. What is in the URL itself (user:password@) is a secret as well. A text that is no URL goes nowhere.
 */
export function clearTextFault(url: string, hasToken: boolean): { what: string; mend: string } | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, username, password } = new URL(url);
  if (protocol !== "http:" || isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"))) return undefined;
  if (!hasToken && username === "" && password === "") return undefined;
  return {
    what: `the token would go to ${hostname} in clear text, for everybody on the way`,
    mend: "use https://, or a tunnel that ends at 127.0.0.1",
  };
}
