/** The leak detector by the file and the name that 0.1 has it under: programs that judge recorded memory load it from the package's folder. */
export { LeakDetector as LeakVerdict } from './leak-detector/leak-detector.js'
