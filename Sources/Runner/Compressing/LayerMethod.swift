// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// A change of the matrices of one layer after another.
protocol LayerMethod {
  /// What must be known of the matrices' inputs; nil looks at the weights alone.
  var statistics: InputStatistics.Kind? { get }
  /// Whether some windows of the text are kept aside, to judge by.
  var holdsOut: Bool { get }
  /// What was done, for the file's metadata.
  var note: String { get }

  /// - Parameter inputs: nil where `statistics` is.
  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws
}

extension LayerMethod {
  var holdsOut: Bool { false }

  /// Changes all layers of a model, each by what the changed layers before it give.
  ///
  /// - Throws: `CompressorError.needsCalibration` without a text where one is needed; `.interrupted`; what `change` throws.
  func apply(
    _ model: WorkingModel, _ text: CalibrationText?, variant: String, pool: ThreadPool, spool: Spool, watch: Watch
  ) throws -> WorkingModel {
    var walk: LayerWalk?
    if statistics != nil {
      guard let text else { throw CompressorError.needsCalibration(variant: variant) }
      walk = try LayerWalk(model, text, pool: pool, spool: spool, watch: watch)
    }
    var entries: [(entry: DerivedWeights.Entry, published: StorageFormat)] = []
    var packings: [String: GroupPacking] = [:]
    for index in model.description.inventory.tensors.indices where model.description.inventory.tensors[index].layer < 0
    {
      entries.append((model.weights.entry(index), model.description.inventory.tensors[index].format))
    }
    for index in model.architecture.layers.indices {
      try watch.step("layer \(index + 1) of \(model.architecture.layers.count)")
      var layer = try FloatLayer(model, layer: index, spool: spool)
      let inputs = try statistics.flatMap { kind in try walk?.inputs(of: layer, kind, holdsOut: holdsOut) }
      try change(&layer, inputs, model, pool)
      try walk?.advance(through: layer)
      entries += layer.tensors.map { ($0.entry, $0.description.format) }
      for tensor in layer.tensors { packings[tensor.name] = tensor.packing }
    }
    var result = model.replacing(entries, model.architecture, owner: spool)
    result.packings = packings
    result.notes.append(note)
    return result
  }
}
