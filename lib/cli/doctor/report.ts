/** A diagnosis as text for people and as JSON for programs. Pure. */
import type { Diagnosis } from './diagnose.js'
import type { Finding } from './finding.js'

/** For people. */
export function asText({ findings, checked, unchecked }: Diagnosis): string {
  const parts = findings.map(paragraph)
  const summary = findings.length === 0 ? 'Nothing found.' : `${String(findings.length)} found. Each code: express-responder/docs/deploy/doctor.md`
  const lines = [...checked.map((line) => `checked: ${line}`), ...unchecked.map((line) => `not checked: ${line}`)]
  return [...parts, `${summary}\n${lines.join('\n')}\n`].join('\n')
}

function paragraph({ code, problem, evidence, line, place }: Finding): string {
  return `${code}: ${problem}\n  seen:  ${evidence}\n${indented(line)}\n  where: ${place}\n`
}

function indented(line: string): string {
  return line.split('\n').map((text, index) => `  ${index === 0 ? 'write:' : '      '} ${text}`).join('\n')
}

/** For programs: one object, whose fields keep their names. */
export function asJson({ findings, checked, unchecked, server }: Diagnosis): string {
  return `${JSON.stringify({ server: server ?? null, findings, checked, unchecked }, undefined, 2)}\n`
}
