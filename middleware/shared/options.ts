/** The checks of every middleware's options, and the error that they throw. */
import { IncomingMessage } from 'node:http'
import { markAsOurs, withAddress } from '../../shared/errors.js'
import { OptionChecks } from '../../shared/option-checks.js'

const CODE = 'ERR_MIDDLEWARE_OPTION'

/**
 * The error for a wrong option: a TypeError, and an ExpressResponderError, too. `code` is 'ERR_MIDDLEWARE_OPTION'.
 */
// eslint-disable-next-line no-restricted-syntax -- it is a TypeError, too: see markAsOurs()
export class OptionError extends TypeError {
  readonly code = CODE
  override readonly name = 'OptionError'

  constructor(message: string, options?: ErrorOptions) {
    super(withAddress(CODE, message), options)
  }
}

markAsOurs(OptionError)

class MiddlewareChecks extends OptionChecks {
  readonly #middleware: string

  constructor(middleware: string) {
    super(middleware, (message) => new OptionError(message))
    this.#middleware = middleware
  }

  /** Also recognises the factory itself given to `app.use()`: Express then calls it with a request. */
  override object<Options extends object>(group: string, given: Options | undefined, names: Iterable<keyof Options & string>): Options {
    if (given instanceof IncomingMessage || isRequest(given)) {
      throw new OptionError(`${this.#middleware} was given to app.use() itself: call it, app.use(${this.#middleware}())`)
    }
    return super.object(group, given, names)
  }
}

/** The checks of the options of `middleware`, such as `concurrencyLimit`. What is wrong is an OptionError. */
export function optionChecks(middleware: string): OptionChecks {
  return new MiddlewareChecks(middleware)
}

/** The compatibility requests of HTTP/2 are no IncomingMessage. */
function isRequest(given: unknown): boolean {
  return typeof given === 'object' && given !== null && 'method' in given && 'headers' in given && 'url' in given
}
