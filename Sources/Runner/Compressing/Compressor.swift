// SPDX-License-Identifier: Apache-2.0
package import Compression
package import Evidence
internal import Glibc
package import Inference
internal import LanguageModel
package import ModelFiles
internal import Quantities

/// Which variant of which file to make, and where.
package struct CompressionRequest: Sendable {
  package var source: ModelFile
  package var variant: CompressionVariant
  package var output: String
  /// What the weights of the squared errors come from; nil leaves them to the formats.
  package var importance: Importance?
  /// The calibration text's name, for the file's metadata.
  package var calibration: String?

  package init(
    source: ModelFile, variant: CompressionVariant, output: String, importance: Importance? = nil,
    calibration: String? = nil
  ) {
    self.source = source
    self.variant = variant
    self.output = output
    self.importance = importance
    self.calibration = calibration
  }
}

/// Makes a variant of a GGUF file: every tensor in the format that the variant gives it, rounded to the nearest.
///
/// Tensors are read and written part by part, so that memory stays bounded whatever the model's size. The result appears
/// under its name only when it is complete.
package struct Compressor: Sendable {
  package let toolVersion: String
  package let pool: ThreadPool
  let progress: @Sendable (String) -> Void
  let isCancelled: @Sendable () -> Bool

  package init(
    toolVersion: String, pool: ThreadPool, progress: @escaping @Sendable (String) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.toolVersion = toolVersion
    self.pool = pool
    self.progress = progress
    self.isCancelled = isCancelled
  }

  /// - Throws: `CompressorError` before anything is written, or when the source has no finite weights or the user stops;
  ///   `ModelFileError`.
  package func compress(_ request: CompressionRequest) throws -> CompressionRecord {
    let start = Timing.now()
    let plan = try CompressionPlan(request, toolVersion: toolVersion)
    try checkSpace(plan, request.output)
    var record = CompressionRecord(
      model: request.source.description.name, variant: request.variant.name, source: plan.weights.path,
      output: request.output, calibration: request.calibration,
      sourceBytes: request.source.description.inventory.bytes, bytes: ByteCount(plan.writer.fileBytes),
      bitsPerWeight: plan.target.bitsPerWeight, seconds: 0)
    try plan.writer.write(to: request.output) { index, sink in
      if isCancelled() { throw CompressorError.interrupted(path: request.output) }
      progress("\(plan.writer.tensors[index].name) (\(index + 1) of \(plan.writer.tensors.count))")
      try write(index, plan, request, to: sink, &record)
    }
    record.seconds = Timing.now() - start
    return record
  }

  private func write(
    _ index: Int, _ plan: CompressionPlan, _ request: CompressionRequest, to sink: GGUFWriter.Sink,
    _ record: inout CompressionRecord
  ) throws {
    let bytes = plan.weights.bytes(ofTensor: index)
    let tensor = plan.writer.tensors[index]
    plan.weights.prefetch(tensor: min(index + 1, plan.writer.tensors.count - 1))
    guard let codecs = plan.codecs(ofTensor: index) else {
      try sink(bytes)
      return record.add(format: tensor.format.rawValue, bytes: bytes.count, squares: 0, signal: 0)
    }
    let columns = tensor.dimensions.first ?? 1
    let encoder = TensorEncoder(
      source: codecs.source, target: codecs.target, columns: columns,
      weights: request.importance?.weights(ofTensor: index), pool: pool)
    try encoder.encode(bytes, rows: tensor.elementCount / max(1, columns)) { part in
      if isCancelled() { throw CompressorError.interrupted(path: request.output) }
      try sink(part)
    }
    if let element = encoder.strange {
      throw CompressorError.notFinite(path: plan.weights.path, tensor: tensor.name, element: element)
    }
    record.add(
      format: tensor.format.rawValue, bytes: tensor.byteCount, squares: encoder.error.squares,
      signal: encoder.error.signal)
  }

  /// Refuses what the disk cannot hold, before it is full of a half file.
  private func checkSpace(_ plan: CompressionPlan, _ output: String) throws(CompressorError) {
    var status = statvfs()
    let folder = output.lastIndex(of: "/").map { String(output[...$0]) } ?? "."
    guard statvfs(folder, &status) == 0 else { return }
    let free = ByteCount(Int(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize)))
    let needed = ByteCount(plan.writer.fileBytes)
    guard free >= needed else { throw .diskTooSmall(path: output, needed: needed, free: free) }
  }
}
