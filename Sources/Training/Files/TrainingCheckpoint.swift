// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import LanguageModel
internal import ModelFiles

/// How far a training is.
struct TrainingProgress: Sendable, Equatable {
  var step = 0
  var firstLoss = TokenLoss.Value()
  var lastLoss = TokenLoss.Value()
  /// Of all runs together.
  var seconds = 0.0
}

/// The state of a training between two steps, as a GGUF file: numbers, both moments, and how far it is.
///
/// It appears whole or not at all, so that a training killed at any moment resumes from the last one.
struct TrainingCheckpoint {
  let path: String
  let summary: String

  private static let stepKey = "anprobe.training.step"
  private static let lossKey = "anprobe.training.losses"
  private static let secondsKey = "anprobe.training.seconds"
  private static let names = ["values", "moments.first", "moments.second"]

  func save(_ optimizer: AdamW, _ progress: TrainingProgress) throws {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("anprobe-training"))
    writer.set(Provenance.trainingKey, .string(summary))
    writer.set(Self.stepKey, .uint64(UInt64(progress.step)))
    let losses = [progress.firstLoss, progress.lastLoss].flatMap { [Float($0.total), Float($0.crossEntropy)] }
    writer.set(Self.lossKey, .array(GGUFArray(losses)))
    writer.set(Self.secondsKey, .float32(Float(progress.seconds)))
    for name in Self.names { writer.add(tensor: name, dimensions: [optimizer.store.count], format: .f32) }
    let buffers = Self.buffers(optimizer)
    try writer.write(to: path) { index, sink in
      let buffer = buffers[index]
      try sink(UnsafeRawBufferPointer(UnsafeBufferPointer(start: buffer.address, count: buffer.count)))
    }
  }

  /// Fills the optimiser's numbers; gives how far it was.
  ///
  /// - Throws: `TrainingError.noCheckpoint`, `.otherCheckpoint`; `ModelFileError` for a damaged file.
  func restore(_ optimizer: AdamW) throws -> TrainingProgress {
    guard FileIdentity(path) != nil else { throw TrainingError.noCheckpoint(path: path) }
    let file = try GGUFFile(path: path)
    let metadata = file.header.metadata
    let other = metadata.string(Provenance.trainingKey) ?? "unknown"
    guard other == summary, let step = metadata.integer(Self.stepKey) else {
      throw TrainingError.otherCheckpoint(path: path, difference: "it has '\(other)'")
    }
    for (name, buffer) in zip(Self.names, Self.buffers(optimizer)) {
      let index = file.index(ofTensorNamed: name)
      guard let index, file.header.tensors[index].format == .f32,
        file.header.tensors[index].elementCount == buffer.count
      else { throw TrainingError.otherCheckpoint(path: path, difference: "it has another number of weights") }
      let bytes = file.bytes(ofTensor: index)
      UnsafeMutableRawBufferPointer(start: buffer.address, count: bytes.count).copyMemory(from: bytes)
    }
    var progress = TrainingProgress(step: step, seconds: metadata.number(Self.secondsKey) ?? 0)
    let losses = (metadata[Self.lossKey]?.arrayValue?.floats ?? []).map(Double.init)
    if losses.count == 4 {
      progress.firstLoss = .init(total: losses[0], crossEntropy: losses[1])
      progress.lastLoss = .init(total: losses[2], crossEntropy: losses[3])
    }
    return progress
  }

  func remove() { unlink(path) }

  private static func buffers(_ optimizer: AdamW) -> [NumberBuffer<Float>] {
    [optimizer.store.values, optimizer.firstMoments, optimizer.secondMoments]
  }
}
