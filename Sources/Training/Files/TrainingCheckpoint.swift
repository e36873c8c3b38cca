// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import LanguageModel
internal import ModelFiles

/// The state of a training between two steps, as a GGUF file: numbers, both moments, and how far it is.
///
/// It appears whole or not at all, so that a training killed at any moment resumes from the last one.
struct TrainingCheckpoint {
  let path: String
  let summary: String

  private static let stepKey = "anprobe.training.step"
  private static let lossKey = "anprobe.training.first_loss"
  private static let names = ["values", "moments.first", "moments.second"]

  func save(_ optimizer: AdamW, step: Int, firstLoss: TokenLoss.Value) throws {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("anprobe-training"))
    writer.set(Provenance.trainingKey, .string(summary))
    writer.set(Self.stepKey, .uint64(UInt64(step)))
    writer.set(Self.lossKey, .array(GGUFArray([Float(firstLoss.total), Float(firstLoss.crossEntropy)])))
    for name in Self.names { writer.add(tensor: name, dimensions: [optimizer.store.count], format: .f32) }
    let buffers = Self.buffers(optimizer)
    try writer.write(to: path) { index, sink in
      let buffer = buffers[index]
      try sink(UnsafeRawBufferPointer(UnsafeBufferPointer(start: buffer.address, count: buffer.count)))
    }
  }

  /// Fills the optimiser's numbers; gives the steps done and the loss of the first ones.
  ///
  /// - Throws: `TrainingError.noCheckpoint`, `.otherCheckpoint`; `ModelFileError` for a damaged file.
  func restore(_ optimizer: AdamW) throws -> (step: Int, firstLoss: TokenLoss.Value) {
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
    let losses = metadata[Self.lossKey]?.arrayValue?.floats ?? []
    let first = losses.count == 2 ? TokenLoss.Value(total: Double(losses[0]), crossEntropy: Double(losses[1])) : .init()
    return (step, first)
  }

  func remove() { unlink(path) }

  private static func buffers(_ optimizer: AdamW) -> [NumberBuffer<Float>] {
    [optimizer.store.values, optimizer.firstMoments, optimizer.secondMoments]
  }
}
