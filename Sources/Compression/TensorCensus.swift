// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A model's tensors counted by shape: what a variant's sums need, without walking hundreds of equal layers each time.
package struct TensorCensus: Sendable {
  struct Group: Sendable {
    var shape: TensorShape
    /// Where the group's tensors stand: a range of `positions`.
    var positions: Range<Int>
  }

  private(set) var groups: [Group] = []
  private(set) var positions: [TensorPosition] = []
  let facts: MixtureFacts
  let parameters: Int

  package init(_ description: LanguageModelDescription) {
    self.init(description.inventory, description.architecture)
  }

  package init(_ inventory: TensorInventory, _ architecture: ModelArchitecture) {
    facts = MixtureFacts(inventory, architecture)
    parameters = inventory.parameterCount
    var counter = PositionCounter()
    var members: [[TensorPosition]] = []
    for tensor in inventory.tensors {
      let shape = TensorShape(tensor)
      let position = counter.next(shape.category, layer: tensor.layer)
      if let index = groups.lastIndex(where: { $0.shape == shape }) {
        members[index].append(position)
      } else {
        groups.append(Group(shape: shape, positions: 0..<0))
        members.append([position])
      }
    }
    positions.reserveCapacity(inventory.tensors.count)
    for (index, list) in members.enumerated() {
      groups[index].positions = positions.count..<positions.count + list.count
      positions += list
    }
  }
}

/// Counts the tensors of each category in the order of the list.
struct PositionCounter {
  private var counts = [Int16](repeating: 0, count: TensorCategory.allCases.count)

  mutating func next(_ category: TensorCategory, layer: Int16) -> TensorPosition {
    let index = Int(category.rawValue)
    defer { counts[index] &+= 1 }
    return TensorPosition(ordinal: counts[index], layer: layer)
  }
}
