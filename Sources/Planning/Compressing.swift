// SPDX-License-Identifier: Apache-2.0
package import Compression
internal import CostModel
package import Evidence
internal import Hardware
internal import Inference
internal import LanguageModel
internal import ModelFiles
internal import Runner

/// How to make a variant.
package struct CompressingOptions: Sendable {
  /// A text, or a file of it, that says which weights matter; nil rounds without.
  package var calibration: String?
  /// Tokens of the text that are run at most.
  package var calibrationTokens: Int
  package var running: MeasuringOptions

  package init(calibration: String? = nil, calibrationTokens: Int = 32_768, running: MeasuringOptions) {
    self.calibration = calibration
    self.calibrationTokens = calibrationTokens
    self.running = running
  }
}

extension PlanningSession {
  /// Makes a variant of a GGUF file's weights as another GGUF file.
  package func compress(
    _ path: String, to output: String, _ variant: CompressionVariant, _ options: CompressingOptions
  ) throws -> CompressionRecord {
    let machine = try profile(of: .here)
    let file = try self.file(of: .path(path))
    let pool = try ThreadPool(count: options.running.threads ?? ThreadChoice(machine).threads)
    defer { pool.stop() }
    var request = CompressionRequest(source: file, variant: variant, output: output)
    if let calibration = options.calibration {
      request.importance = try importance(file, path, Self.givenText(calibration), options, pool, machine)
      let name = calibration.split(separator: "/").last.map(String.init) ?? calibration
      request.calibration = String(name.prefix(Self.longestName))
    }
    let compressor = Compressor(
      toolVersion: options.running.toolVersion, pool: pool, progress: options.running.progress,
      isCancelled: options.running.isCancelled)
    return try compressor.compress(request)
  }

  private static let longestName = 100
  private static let calibrationWindow = 512

  private func importance(
    _ file: ModelFile, _ path: String, _ text: String, _ options: CompressingOptions, _ pool: ThreadPool,
    _ machine: HardwareProfile
  ) throws -> Importance {
    guard let weights = file.weights else { throw CompressorError.sourceNotGGUF(path: path) }
    let tokens = try tokenizer(ofFile: path).encode(text).prefix(options.calibrationTokens)
    guard tokens.count > 1 else { throw EvaluationError.textTooShort(tokens: tokens.count, needed: 2) }
    let window = min(Self.calibrationWindow, file.description.architecture.contextLength ?? .max)
    let workload = Workload(contextTokens: window)
    try Measurer.checkFit(
      file.description, variant: "the file has it", workload: workload, on: machine, threads: pool.count)
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: weights, workload: workload,
      kernels: try Self.kernels(options.running.kernels), pool: pool)
    let running = options.running
    return try Importance.gather(
      Array(tokens), window: window, session: session, inventory: weights.inventory,
      progress: { running.progress("calibrating: token \($0) of \(tokens.count)") }, isCancelled: running.isCancelled)
  }
}
