// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A model's weights with adapters beside them.
///
/// Several adapters of one matrix are one of their ranks' sum: outer₁·inner₁ + outer₂·inner₂ is the product of the two
/// side by side. Scales are in the outer factors. They are kept as 32-bit floats.
package final class AdaptedWeights: WeightSource {
  package let inventory: TensorInventory
  private let base: any WeightSource
  private nonisolated(unsafe) let slices: [UnsafeRawBufferPointer]
  private nonisolated(unsafe) let storage: UnsafeMutableBufferPointer<Float>

  /// - Throws: `ModelFileError.notAModel` when an adapter's matrix is not in the model, or of another shape.
  init(_ base: any WeightSource, _ adapters: [(file: AdapterFile, scale: Float)]) throws(ModelFileError) {
    self.base = base
    var tensors = base.inventory.tensors
    var names = base.inventory.fileNames
    var factors: [[Float]] = []
    for (index, tensor) in base.inventory.tensors.enumerated() where tensor.part == .whole && !tensor.isVector {
      let place = AdapterFile.Place(role: tensor.role, layer: tensor.layer)
      let pairs = adapters.compactMap { adapter in
        adapter.file.pairs[place].map { ($0, adapter.scale, adapter.file.path) }
      }
      guard !pairs.isEmpty else { continue }
      for (pair, _, path) in pairs where (pair.rows, pair.columns) != (Int(tensor.rows), Int(tensor.columns)) {
        throw .notAModel(
          path: path,
          reason: "its pair for '\(names[index])' is of \(pair.rows) × \(pair.columns), the model's matrix of "
            + "\(tensor.rows) × \(tensor.columns)")
      }
      let rank = pairs.reduce(0) { $0 + $1.0.rank }
      factors.append(pairs.flatMap(\.0.inner))
      factors.append(Self.sideBySide(pairs.map { ($0.0, $0.1) }, rows: Int(tensor.rows)))
      for (part, rows, columns) in [
        (TensorPart.adapterInner, rank, Int(tensor.columns)), (.adapterOuter, Int(tensor.rows), rank),
      ] {
        tensors.append(
          TensorDescription(
            tensor.role, layer: Int(tensor.layer), rows: rows, columns: columns, format: .f32, part: part))
        names.append(names[index] + (part == .adapterInner ? ".lora_a" : ".lora_b"))
      }
    }
    try Self.checkUsed(adapters.map(\.file), in: base.inventory)
    storage = .allocate(capacity: max(1, factors.reduce(0) { $0 + $1.count }))
    storage.initialize(repeating: 0)
    var end = 0
    var slices: [UnsafeRawBufferPointer] = []
    for factor in factors {
      for (place, value) in factor.enumerated() { storage[end + place] = value }
      slices.append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: storage[end..<end + factor.count])))
      end += factor.count
    }
    self.slices = slices
    inventory = TensorInventory(tensors: tensors, fileNames: names)
  }

  deinit { storage.deallocate() }

  /// (rows, ranks in turn), each multiplied by its adapter's scale.
  private static func sideBySide(_ pairs: [(AdapterFile.Pair, Float)], rows: Int) -> [Float] {
    (0..<rows).flatMap { row in
      pairs.flatMap { pair, scale in
        pair.outer[row * pair.rank..<(row + 1) * pair.rank].map { $0 * scale }
      }
    }
  }

  private static func checkUsed(_ adapters: [AdapterFile], in inventory: TensorInventory) throws(ModelFileError) {
    let places = Set(
      inventory.tensors.filter { $0.part == .whole && $0.copies == 1 }.map {
        AdapterFile.Place(role: $0.role, layer: $0.layer)
      })
    for adapter in adapters {
      if let stranger = adapter.pairs.keys.first(where: { !places.contains($0) }) {
        let name = stranger.role.ggufName(layer: Int(stranger.layer)) ?? "\(stranger.role)"
        throw .notAModel(
          path: adapter.path, reason: "the model has no matrix '\(name)' that its pair could be added to")
      }
    }
  }

  package var path: String { base.path }

  private func isOwn(_ index: Int) -> Bool { index >= base.inventory.tensors.count }

  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    isOwn(index) ? slices[index - base.inventory.tensors.count] : base.bytes(ofTensor: index)
  }
  package func prefetch(tensor index: Int) { if !isOwn(index) { base.prefetch(tensor: index) } }
  package func mapSparsely(tensor index: Int) { if !isOwn(index) { base.mapSparsely(tensor: index) } }
  package func discard(tensor index: Int, bytes range: Range<Int>) {
    if !isOwn(index) { base.discard(tensor: index, bytes: range) }
  }
  package func interleavedRows(ofTensor index: Int) -> Int { isOwn(index) ? 0 : base.interleavedRows(ofTensor: index) }
  package func isPacked(tensor index: Int) -> Bool { !isOwn(index) && base.isPacked(tensor: index) }
  package func copyRows(_ rows: Range<Int>, ofTensor index: Int, to blocks: UnsafeMutableRawPointer) {
    base.copyRows(rows, ofTensor: index, to: blocks)
  }
  package func inputOrder(ofTensor index: Int) -> [Int32] { base.inputOrder(ofTensor: index) }
}

extension ModelFile {
  /// The model with adapters kept apart beside its matrices.
  ///
  /// - Throws: `ModelFileError.notAModel` for an adapter of another model, and for one whose rows are in another order.
  package func adapted(by adapters: [(file: AdapterFile, scale: Float)]) throws(ModelFileError) -> ModelFile {
    guard let weights, !adapters.isEmpty else { return self }
    for (file, _) in adapters where file.isGGUF != (metadata != nil) {
      let (own, wanted) = file.isGGUF ? ("a GGUF adapter", "GGUF") : ("a PEFT adapter", "safetensors")
      throw .notAModel(
        path: file.path, reason: "it is \(own), whose rows are in the order of \(wanted) models, and the model is none")
    }
    let both = try AdaptedWeights(weights, adapters)
    var description = description
    description.inventory = TensorInventory(
      tensors: description.inventory.tensors + both.inventory.tensors.dropFirst(weights.inventory.tensors.count))
    return ModelFile(description: description, weights: both, metadata: metadata)
  }
}
