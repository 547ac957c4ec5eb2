import { describe, expect, it } from '@jest/globals'
import { wordsFor } from '../../../../../middleware/memory/page/browser/failures.js'

const NOW = Date.UTC(2026, 10, 25)

describe('wordsFor', () => {
  it.each([
    [429, '', '8', 'Not now: the app does costly things one at a time, and not too often. Try again in 8 seconds.'],
    [429, 'A profile is being taken', '1', 'Not now: A profile is being taken. Try again in 1 second.'],
    [429, '', null, 'Not now: the app does costly things one at a time, and not too often. Try again in a few seconds.'],
    [429, '', new Date(NOW + 12_000).toUTCString(), 'Not now: the app does costly things one at a time, and not too often. Try again in 12 seconds.'],
    [503, 'Stopping.', null, 'The app cannot do this now. Stopping.'],
    [503, '', '0', 'The app cannot do this now. Try again in 1 second.'],
    [401, '', null, 'The app does not allow this.'],
    [403, 'Give a token!', null, 'The app does not allow this. Give a token!'],
    [404, '', null, 'The app does not offer this.'],
    [500, '', null, 'The app could not do this (status 500).'],
  ])('%d, %j, %j', (status, detail, retryAfter, words) => {
    expect(wordsFor(status, detail, retryAfter, NOW)).toBe(words)
  })
})
