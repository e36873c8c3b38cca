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
  /// What shows which weights matter; nil leaves that to the weights themselves.
  package var calibration: CalibrationText?
  package var pruning: PruningChoice
  /// How much each structure of each of the source's layers matters, for a criterion that the weights alone do not show.
  package var structureScores: [StructureScores]?
  /// Added to the weights before anything else, each with a scale.
  package var adapters: [(file: AdapterFile, scale: Float)] = []
  /// Rounds the groups of AWQ and GPTQ to the nearest and reads no text: what the methods are compared with.
  package var roundsToNearest: Bool

  package init(
    source: ModelFile, variant: CompressionVariant, output: String, calibration: CalibrationText? = nil,
    pruning: PruningChoice = PruningChoice(), roundsToNearest: Bool = false
  ) {
    self.source = source
    self.variant = variant
    self.output = output
    self.calibration = calibration
    self.pruning = pruning
    self.roundsToNearest = roundsToNearest
  }

  /// What the result is: what had been done to the source before is among it.
  var resultName: String {
    let own = variant.name + (roundsToNearest ? "-nearest" : "")
    guard let former = source.metadata?.string(Provenance.variantKey) else { return own }
    guard let known = try? CompressionVariant(parsing: former) else { return "\(former)+\(own)" }
    // Another storage takes the place of the former one.
    let kept = CompressionVariant(known.steps.filter { $0 != known.storage })
    return kept.steps.isEmpty ? own : variant.steps.isEmpty ? kept.name : "\(kept.name)+\(own)"
  }
}

/// Makes a variant of a file's weights: a GGUF file, or a checkpoint's folder.
///
/// Steps that change shapes or values go through the model a layer at a time, and tensors are encoded part by part, so
/// that memory stays bounded whatever the model's size. The result appears under its name only when it is complete.
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

  /// - Throws: `CompressorError` and `CompressionError` before anything is written, or when the source has no finite
  ///   weights or the user stops; `ModelFileError`; `LanguageRuntimeError` when a text is given that the model cannot read.
  package func compress(_ request: CompressionRequest) throws -> CompressionRecord {
    let start = Timing.now()
    try CompressionPlan.check(request)
    var request = request
    if request.isGGUF, request.source.metadata == nil {
      request.source = try GGUFConversion(request.source).file(in: try Spool(beside: request.output))
    }
    let watch = Watch(output: request.output, progress: progress, isCancelled: isCancelled)
    let making = VariantSteps(request: request, pool: pool, watch: watch)
    let model = try making.applied(to: try WorkingModel(request.source))
    var record = CompressionRecord(
      model: request.source.description.name, variant: request.variant.name,
      source: request.source.weights?.path ?? "", output: request.output, calibration: request.calibration?.name,
      sourceBytes: request.source.description.inventory.bytes, bytes: .zero, bitsPerWeight: 0, seconds: 0)
    if request.isGGUF {
      try writeGGUF(model, try making.importance(of: model), request, watch, &record)
    } else {
      try CheckpointPlan(model, request, toolVersion: toolVersion).write(watch, &record)
    }
    record.seconds = Timing.now() - start
    return record
  }

  private func writeGGUF(
    _ model: WorkingModel, _ importance: Importance?, _ request: CompressionRequest, _ watch: Watch,
    _ record: inout CompressionRecord
  ) throws {
    let plan = try CompressionPlan(model, request, toolVersion: toolVersion)
    try checkSpace(plan.writer.fileBytes, request.output)
    record.bytes = ByteCount(plan.writer.fileBytes)
    record.bitsPerWeight = plan.target.bitsPerWeight
    try plan.writer.write(to: request.output) { index, sink in
      try watch.step("\(plan.writer.tensors[index].name) (\(index + 1) of \(plan.writer.tensors.count))")
      try write(index, plan, importance, watch, to: sink, &record)
    }
  }

  private func write(
    _ index: Int, _ plan: CompressionPlan, _ importance: Importance?, _ watch: Watch, to sink: GGUFWriter.Sink,
    _ record: inout CompressionRecord
  ) throws {
    let weights = plan.model.weights
    let bytes = weights.bytes(ofTensor: index)
    let tensor = plan.writer.tensors[index]
    weights.prefetch(tensor: min(index + 1, plan.writer.tensors.count - 1))
    switch plan.content(ofTensor: index) {
    case .copy:
      try sink(bytes)
      record.add(format: tensor.format.rawValue, bytes: bytes.count, squares: 0, signal: 0)
    case .packed(let packing):
      try packing.writeAsQ4_1(to: sink)
      record.add(format: tensor.format.rawValue, bytes: tensor.byteCount, squares: 0, signal: 0)
    case .encode(let source, let target):
      let columns = tensor.dimensions.first ?? 1
      let encoder = TensorEncoder(
        source: source, target: target, columns: columns, weights: importance?.weights(ofTensor: index), pool: pool)
      try encoder.encode(bytes, rows: tensor.elementCount / max(1, columns)) { part in
        if watch.isCancelled() { throw CompressorError.interrupted(path: watch.output) }
        try sink(part)
      }
      if let element = encoder.strange {
        throw CompressorError.notFinite(path: weights.path, tensor: tensor.name, element: element)
      }
      record.add(
        format: tensor.format.rawValue, bytes: tensor.byteCount, squares: encoder.error.squares,
        signal: encoder.error.signal)
    }
  }

  /// Refuses what the disk cannot hold, before it is full of a half file.
  private func checkSpace(_ bytes: Int, _ output: String) throws(CompressorError) {
    var status = statvfs()
    let folder = output.lastIndex(of: "/").map { String(output[...$0]) } ?? "."
    guard statvfs(folder, &status) == 0 else { return }
    let free = ByteCount(Int(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize)))
    let needed = ByteCount(bytes)
    guard free >= needed else { throw .diskTooSmall(path: output, needed: needed, free: free) }
  }
}
