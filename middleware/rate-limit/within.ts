/** An answer in time, or an error. */

/** @param late called where the answer comes after the error */
export async function within<Answer>(milliseconds: number, answer: Promise<Answer>, late?: () => void): Promise<Answer> {
  let isLate = false
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_resolve, reject) => {
    const expire = (): void => {
      isLate = true
      reject(new Error(`no answer within ${String(milliseconds)} ms`))
    }
    // After a busy time, timers come first: what has been answered meanwhile is read before setImmediate().
    timer = setTimeout(() => { setImmediate(expire) }, milliseconds)
  })
  answer.then(() => { if (isLate) late?.() }, () => undefined)
  try {
    return await Promise.race([answer, expired])
  } finally {
    clearTimeout(timer)
  }
}
