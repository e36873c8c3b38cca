// SPDX-License-Identifier: Apache-2.0

/// A model as the whole program passes it on: its name, its shapes and its list of tensors.
package struct LanguageModelDescription: Sendable {
  package var name: String
  package var architecture: ModelArchitecture
  /// The tensors as published or as found in a file.
  package var inventory: TensorInventory
  package var provenance: Provenance
  /// What a reader of the description should know: an unknown model type, a part that is left out.
  package var notes: [DescriptionNote]
  /// For a student, the model on whose answers it was trained; `name` is then that model's.
  package var teacher: String?

  package init(
    name: String, architecture: ModelArchitecture, inventory: TensorInventory, provenance: Provenance,
    notes: [DescriptionNote] = []
  ) {
    self.name = name
    self.architecture = architecture
    self.inventory = inventory
    self.provenance = provenance
    self.notes = notes
  }

  /// Where a description comes from.
  package enum Provenance: Sendable, Equatable {
    case catalogue(identifier: String, licence: String, source: String)
    case configuration(path: String)
    case ggufFile(path: String)
    case safetensors(path: String)
    case hub(repository: String)
  }

  package var parametersTotal: Int { inventory.parameterCount }

  /// Parameters that one token visits: all of them, less the routed experts that its router does not choose.
  package var parametersActive: Int {
    inventory.tensors.reduce(0) { sum, tensor in
      guard !tensor.role.isConstant else { return sum }
      guard tensor.isRoutedExpert, tensor.layer >= 0, Int(tensor.layer) < architecture.layers.count,
        let feedForward = architecture.layers[Int(tensor.layer)].feedForward, feedForward.experts > 0
      else { return sum + tensor.elements }
      return sum + tensor.elements / Int(tensor.copies) * min(feedForward.activeExperts, Int(tensor.copies))
    }
  }
}
