// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// Adds what low-rank adapters give to the matrices that they stand beside.
struct AdapterMerging {
  private let adapters: [(file: AdapterFile, scale: Float)]

  init(_ adapters: [(file: AdapterFile, scale: Float)]) { self.adapters = adapters }

  /// - Throws: `ModelFileError` for an adapter of another model; `CompressorError.alreadyQuantised` where a matrix of it
  ///   is no float, `.noLinearAlgebra`, `.interrupted`.
  func apply(_ model: WorkingModel, pool: ThreadPool, spool: Spool, watch: Watch) throws -> WorkingModel {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    guard let both = try model.file.adapted(by: adapters).weights else { return model }
    let tensors = both.inventory.tensors
    var factors: [Key: Int] = [:]
    for (index, tensor) in tensors.enumerated() where tensor.part != .whole {
      factors[Key(tensor, tensor.part)] = index
    }
    var entries: [(entry: DerivedWeights.Entry, published: StorageFormat)] = []
    for (index, tensor) in model.description.inventory.tensors.enumerated() {
      guard tensor.part == .whole, let inner = factors[Key(tensor, .adapterInner)],
        let outer = factors[Key(tensor, .adapterOuter)]
      else {
        entries.append((model.weights.entry(index), tensor.format))
        continue
      }
      try watch.step("adding an adapter to \(model.description.inventory.fileNames[index])")
      let merged = try FloatLayer.floats(model, index, spool)
      let rank = Int(tensors[inner].rows)
      var sum = [Float](repeating: 0, count: merged.rows * merged.columns)
      algebra.multiply(
        Self.floats(both, outer), Self.floats(both, inner), rows: merged.rows, inner: rank, columns: merged.columns,
        into: &sum)
      for place in sum.indices { merged.values[place] += sum[place] }
      entries.append((merged.entry, tensor.format))
    }
    var result = model.replacing(entries, model.architecture, owner: spool)
    for (file, scale) in adapters {
      let name = file.path.split(separator: "/").last.map(String.init) ?? file.path
      result.notes.append("adapter \(name) merged" + (scale == 1 ? "" : " by \(scale)"))
    }
    return result
  }

  /// A matrix that an adapter stands beside, and a part of it.
  private struct Key: Hashable {
    let role: TensorRole
    let layer: Int16
    let part: TensorPart

    init(_ tensor: TensorDescription, _ part: TensorPart) {
      (role, layer, self.part) = (tensor.role, tensor.layer, part)
    }
  }

  private static func floats(_ weights: any WeightSource, _ index: Int) -> [Float] {
    Array(weights.bytes(ofTensor: index).bindMemory(to: Float.self))
  }
}
