/** `sparsewire completion`: the completion script of a shell. */
import { Argument, type Command } from "commander";
import { examples, type Result } from "./command.js";
import { emit } from "./output.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

export function registerCompletion(parent: Command, _result: Result): void {
  const command = parent
    .command("completion")
    .description("print the completion script of a shell, made from these very commands")
    .addArgument(new Argument("<shell>", "the shell it is for").choices(SHELLS))
    .option("-o, --output <file>", "write to FILE, whole or not at all, instead of stdout")
    .action(async (shell: Shell, { output }: { output?: string }) => {
      const { completionScript } = await import("./completion/scripts.js");
      await emit(output, [completionScript(shell)]);
    });
  examples(command, [
    ["source <(sparsewire completion bash)", "in ~/.bashrc"],
    ["sparsewire completion zsh -o ~/.zfunc/_sparsewire", "with that folder in fpath"],
    ["sparsewire completion fish -o ~/.config/fish/completions/sparsewire.fish", "for good"],
  ]);
}
