// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// A model on its way from its file to a variant: each change of it gives another one.
struct WorkingModel {
  /// Shapes, and the formats in which the tensors would be stored if no step says otherwise; names are filled in.
  var description: LanguageModelDescription
  /// The same tensors in the same order; those that were computed are here as 32-bit floats.
  var weights: any WeightSource
  let file: ModelFile
  /// Matrices that a step has rounded to integers in groups, by name.
  var packings: [String: GroupPacking] = [:]
  /// The source's layers that are left, where some were taken out.
  var keptLayers: [Int]?
  /// What each step did, for the file's metadata.
  var notes: [String] = []

  /// - Throws: `CompressorError.noWeights`.
  init(_ file: ModelFile) throws(CompressorError) {
    guard let weights = file.weights else { throw .noWeights(path: file.description.name) }
    self.file = file
    self.weights = weights
    description = file.description
    // A configuration lists its tensors in another order than the files beside it.
    description.inventory = weights.inventory
  }

  var architecture: ModelArchitecture { description.architecture }

  /// The places of a layer's tensors in the inventory.
  func places(ofLayer layer: Int) -> [Int] {
    description.inventory.tensors.indices.filter { Int(description.inventory.tensors[$0].layer) == layer }
  }

  /// Everything that belongs to no layer.
  var outside: [DerivedWeights.Entry] {
    description.inventory.tensors.indices.filter { description.inventory.tensors[$0].layer < 0 }.map(weights.entry)
  }

  /// The model with other tensors, each with the format that it has when no step says otherwise.
  func replacing(
    _ entries: [(entry: DerivedWeights.Entry, published: StorageFormat)], _ architecture: ModelArchitecture,
    owner: AnyObject
  ) -> WorkingModel {
    var result = self
    result.weights = DerivedWeights(path: weights.path, entries.map(\.entry), owners: [weights, owner])
    result.description.architecture = architecture
    result.description.inventory = TensorInventory(
      tensors: entries.map { item in
        var tensor = item.entry.tensor
        tensor.format = item.published
        return tensor
      }, fileNames: entries.map(\.entry.name))
    return result
  }

  /// Only some of the layers, numbered anew; no weight is read.
  func keepingLayers(_ kept: [Int]) -> WorkingModel {
    var entries: [(entry: DerivedWeights.Entry, published: StorageFormat)] = []
    for index in description.inventory.tensors.indices {
      var entry = weights.entry(index)
      let layer = Int(entry.tensor.layer)
      if layer >= 0 {
        guard let place = kept.firstIndex(of: layer) else { continue }
        entry.tensor.layer = Int16(place)
        entry.name = Self.renumbered(entry.name, from: layer, to: place)
      }
      entries.append((entry, description.inventory.tensors[index].format))
    }
    var architecture = architecture
    architecture.layers = kept.map { self.architecture.layers[$0] }
    var result = replacing(entries, architecture, owner: weights)
    result.keptLayers = kept.map { keptLayers?[$0] ?? $0 }
    return result
  }

  /// `blk.7.attn_q.weight` or `model.layers.7.mlp.up_proj.weight` with another number.
  private static func renumbered(_ name: String, from old: Int, to new: Int) -> String {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let places = parts.indices.dropFirst().filter {
      parts[$0] == "\(old)" && ["blk", "layers", "h", "blocks"].contains(parts[$0 - 1])
    }
    if let place = places.first { parts[place] = "\(new)" }
    return parts.joined(separator: ".")
  }
}
