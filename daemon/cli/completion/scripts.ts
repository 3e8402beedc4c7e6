/** Completion scripts of bash, zsh and fish, made from the command tree. */
import { VERSION } from "../../software.js";
import type { Shell } from "../completion.js";
import { type CommandEntry, describeCommand, everyCommand, type OptionEntry } from "../manual/tree.js";
import { buildProgram } from "../program.js";

/** The script for a shell, to be sourced or put where the shell looks for them. */
export function completionScript(shell: Shell): string {
  const program = describeCommand(buildProgram(VERSION, { code: 0 }));
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](program);
}

/** "matrix top"; "" for the program. */
const pathOf = ({ path }: CommandEntry): string => path.join(" ");
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** One line, as far as it helps beside a word. */
const brief = (text: string): string => text.split(/[;\n]/)[0]!.slice(0, 90).trim();

/** What follows an option or is an operand: words of a closed set, interfaces, or files. */
function valuesOf({ name, choices }: { name: string; choices: readonly string[] }): string {
  if (choices.length > 0) return choices.join(" ");
  return /^(name|if|interface)$/i.test(name) ? INTERFACES : "";
}
const INTERFACES = "\0interfaces";

const optionValues = (option: OptionEntry): string =>
  valuesOf({ name: option.value ?? "", choices: option.choices });

/** The shell code that walks the words before the cursor down the tree; the same in bash and zsh. */
function walk(program: CommandEntry): string {
  const steps = [...everyCommand(program)]
    .filter(({ path }) => path.length > 0)
    .map(
      (entry) =>
        `      ${quoted(`${entry.path.slice(0, -1).join(" ")}/${entry.path.at(-1)}`)}) at=${quoted(pathOf(entry))} ;;`,
    );
  return steps.join("\n");
}

/** Per command: its words. Shared by bash and zsh, which both take them as one list. */
function cases(program: CommandEntry): { words: string; values: string } {
  const words: string[] = [];
  const values: string[] = [];
  for (const entry of everyCommand(program)) {
    const own = [
      ...entry.commands.map(({ path }) => path.at(-1)!),
      ...entry.options.flatMap(({ names }) => names),
    ];
    const operand = entry.arguments[0] === undefined ? "" : valuesOf(entry.arguments[0]);
    const operands =
      operand === INTERFACES ? "interfaces=1" : operand === "" ? "" : `words="$words ${operand}"`;
    words.push(
      `    ${quoted(pathOf(entry))}) words=${quoted(own.join(" "))}${operands === "" ? "" : `; ${operands}`} ;;`,
    );
    for (const option of entry.options.filter(({ value }) => value !== undefined)) {
      const found = optionValues(option);
      const then = found === INTERFACES ? "words=''; interfaces=1" : `words=${quoted(found)}`;
      for (const name of option.names)
        values.push(`    ${quoted(`${pathOf(entry)}/${name}`)}) ${then}; value=1 ;;`);
    }
  }
  return { words: words.join("\n"), values: values.join("\n") };
}

function bashScript(program: CommandEntry): string {
  const { words, values } = cases(program);
  return `# bash completion of sparsewire; made by: sparsewire completion bash
_sparsewire() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at='' words='' interfaces='' value='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/\${COMP_WORDS[i]}" in
${walk(program)}
    esac
  done
  case "$at" in
${words}
  esac
  case "$at/$prev" in
${values}
  esac
  [ -n "$interfaces" ] && words="$words $(command ls /sys/class/net 2>/dev/null)"
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [ -n "$value" ] && [ -n "$words" ] && return
  [[ $cur == -* ]] || COMPREPLY+=($(compgen -f -- "$cur"))
}
complete -o filenames -F _sparsewire sparsewire
`;
}

function zshScript(program: CommandEntry): string {
  const { words, values } = cases(program);
  return `#compdef sparsewire
# zsh completion of sparsewire; made by: sparsewire completion zsh
_sparsewire() {
  # words is the name of zsh's own list; a copy is kept before it is taken for ours.
  local -a list given
  given=("\${words[@]}")
  local at='' words='' interfaces='' value=''
  integer i last=$((CURRENT - 1))
  for ((i = 2; i <= last; i++)); do
    case "$at/\${given[i]}" in
${walk(program)}
    esac
  done
  case "$at" in
${words}
  esac
  case "$at/\${given[last]}" in
${values}
  esac
  [[ -n $interfaces ]] && words="$words $(command ls /sys/class/net 2>/dev/null)"
  list=(\${=words})
  compadd -a list
  [[ -n $value && -n $words ]] || _files
}
if [ "$funcstack[1]" = _sparsewire ]; then _sparsewire "$@"; else compdef _sparsewire sparsewire; fi
`;
}

function fishScript(program: CommandEntry): string {
  const lines: string[] = [];
  for (const entry of everyCommand(program)) {
    const here = `-n ${quoted(`__sparsewire_at ${quoted(pathOf(entry))}`)}`;
    for (const child of entry.commands)
      lines.push(
        `complete -c sparsewire ${here} -f -a ${quoted(child.path.at(-1)!)} -d ${quoted(brief(child.description))}`,
      );
    const operand = entry.arguments[0] === undefined ? "" : valuesOf(entry.arguments[0]);
    if (operand !== "") lines.push(`complete -c sparsewire ${here} -a ${fishWords(operand)}`);
    for (const option of entry.options) {
      const spelled = option.names.map((name) =>
        name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
      );
      const found = optionValues(option);
      const value = option.value === undefined ? "" : found === "" ? " -r" : ` -x -a ${fishWords(found)}`;
      lines.push(
        `complete -c sparsewire ${here} ${spelled.join(" ")}${value} -d ${quoted(brief(option.description))}`,
      );
    }
  }
  const paths = [...everyCommand(program)].map(pathOf).filter((path) => path !== "");
  return `# fish completion of sparsewire; made by: sparsewire completion fish
function __sparsewire_at
    set -l at
    for word in (commandline -opc)[2..-1]
        if contains -- (string join ' ' -- $at $word) ${paths.map(quoted).join(" ")}
            set at $at $word
        end
    end
    set -l path (string join ' ' -- $at)
    test "$path" = "$argv[1]"
end
${lines.join("\n")}
`;
}

const fishWords = (words: string): string =>
  words === INTERFACES ? "'(command ls /sys/class/net 2>/dev/null)'" : quoted(words);
