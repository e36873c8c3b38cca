// SPDX-License-Identifier: Apache-2.0
package import Compression
internal import CostModel
package import Evidence
internal import Hardware
internal import Inference
internal import LanguageModel
internal import ModelFiles
internal import Quantities
internal import Runner
internal import Training

/// How to make a variant.
package struct CompressingOptions: Sendable {
  /// A text, or a file of it, that says which weights matter; nil rounds without.
  package var calibration: String?
  /// Tokens of the text that are run at most.
  package var calibrationTokens: Int
  package var pruning: PruningChoice
  /// Merged into the weights before anything else.
  package var adapters: [AdapterReference] = []
  package var roundsToNearest: Bool
  package var running: MeasuringOptions

  package init(
    calibration: String? = nil, calibrationTokens: Int = 32_768, pruning: PruningChoice = PruningChoice(),
    roundsToNearest: Bool = false, running: MeasuringOptions
  ) {
    self.calibration = calibration
    self.pruning = pruning
    self.roundsToNearest = roundsToNearest
    self.calibrationTokens = calibrationTokens
    self.running = running
  }
}

extension StructuralStep {
  fileprivate var isWidth: Bool { if case .width = self { true } else { false } }
}

extension PlanningSession {
  /// Makes a variant of a model's weights: a GGUF file, or a checkpoint's folder.
  package func compress(
    _ path: String, to output: String, _ variant: CompressionVariant, _ options: CompressingOptions
  ) throws -> CompressionRecord {
    let machine = try profile(of: .here)
    let file = try self.file(of: .path(path))
    let pool = try ThreadPool(count: ThreadChoice(machine, options.running.threads).counts.prefill)
    defer { pool.stop() }
    var request = CompressionRequest(
      source: file, variant: variant, output: output, pruning: options.pruning,
      roundsToNearest: options.roundsToNearest)
    request.calibration = try options.calibration.map { try calibration($0, file, path, options, pool, machine) }
    request.adapters = try options.adapters.map { (try AdapterFile.open($0.path), Float($0.scale)) }
    if options.pruning.width == .taylor, variant.structure.contains(where: \.isWidth), let text = request.calibration {
      request.structureScores = try scores(file, text, pool, options.running.progress, machine)
    }
    let compressor = Compressor(
      toolVersion: options.running.toolVersion, pool: pool, progress: options.running.progress,
      isCancelled: options.running.isCancelled)
    return try compressor.compress(request)
  }

  /// What the text's gradients say of each layer's heads and channels.
  ///
  /// - Throws: `TrainingError` for a model that the backward pass does not know; `RunnerError.doesNotFit`.
  private func scores(
    _ file: ModelFile, _ text: CalibrationText, _ pool: ThreadPool, _ progress: @Sendable (String) -> Void,
    _ machine: HardwareProfile
  ) throws -> [StructureScores] {
    // Each weight and its gradient as a 32-bit float.
    let needed = ByteCount(2 * MemoryLayout<Float>.size * file.description.parametersTotal)
    if let usable = machine.memory.usable.value, needed > usable {
      throw RunnerError.doesNotFit(
        model: file.description.name, variant: "the file has it", needed: needed, usable: usable,
        source: machine.memory.usable.source)
    }
    let importance = try StructureImportance.gather(
      file, tokens: text.tokens, windows: Self.gradientWindows,
      context: min(Self.gradientContext, text.tokens.count - 1), pool: pool
    ) { progress("gradients of window \($0 + 1)") }
    return importance.layers.map { StructureScores(heads: $0.groups, channels: $0.neurons) }
  }

  /// LLM-Pruner looks at ten texts.
  private static let gradientWindows = 10
  private static let gradientContext = 128

  private static let longestName = 100
  private static let calibrationWindow = 512

  /// - Throws: `EvaluationError.textTooShort`; `RunnerError.doesNotFit` when the model cannot read the text here.
  private func calibration(
    _ text: String, _ file: ModelFile, _ path: String, _ options: CompressingOptions, _ pool: ThreadPool,
    _ machine: HardwareProfile
  ) throws -> CalibrationText {
    let tokens = try tokenizer(ofFile: path).encode(Self.givenText(text)).prefix(options.calibrationTokens)
    guard tokens.count > 1 else { throw EvaluationError.textTooShort(tokens: tokens.count, needed: 2) }
    let window = min(Self.calibrationWindow, file.description.architecture.contextLength ?? .max)
    try Measurer.checkFit(
      file.description, variant: "the file has it", workload: Workload(contextTokens: window), on: machine,
      threads: ThreadCounts(pool.count))
    let name = text.split(separator: "/").last.map(String.init) ?? text
    return CalibrationText(name: String(name.prefix(Self.longestName)), tokens: Array(tokens), window: window)
  }
}
