/** A program with commands: `npm run bench -- compare`, `npm run soak -- restarts`. Each command is a module, loaded when it is asked for. */

/** A module that is a command. */
export interface CommandModule {
  /** `args`: what stands after the command's name. Sets `process.exitCode` where something was wrong. */
  run: (args: readonly string[]) => Promise<void> | void
}

export interface Command {
  /** What it does, in a line. */
  summary: string
  load: () => Promise<CommandModule>
}

/** What there is to run, in lines. `program`: how it is called, such as `npm run bench --`. */
export function usage(program: string, commands: Readonly<Record<string, Command>>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [`${program} <command> [options]`, '', ...lines, ''].join('\n')
}

/** Runs the command that `args` begins with. An unknown one, or one that fails, is told on stderr and sets the exit status to 1. */
export async function runCommand(program: string, commands: Readonly<Record<string, Command>>, args: readonly string[]): Promise<void> {
  const [name, ...rest] = args
  if (name === '--help' || name === 'help') {
    process.stdout.write(usage(program, commands))
    return
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  try {
    if (command === undefined) throw new Error(`${name === undefined ? 'Name a command.' : `There is no command '${name}'.`}\n\n${usage(program, commands)}`)
    const { run } = await command.load()
    await run(rest)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
