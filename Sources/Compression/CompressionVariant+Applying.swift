// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

extension CompressionVariant {
  /// The model with this variant's changes of shape, and its tensors stored as before.
  ///
  /// - Throws: `CompressionError.notApplicable` for a model whose shapes do not allow a step.
  package func restructured(
    _ description: LanguageModelDescription
  ) throws(CompressionError) -> LanguageModelDescription {
    var result = description
    if let student, description.teacher == nil {
      throw .notApplicable(
        step: "student:\(student)", model: description.name,
        reason: "its student is a model of its own, which is not at hand here")
    }
    for step in structure { result = try step.applied(to: result) }
    return result
  }

  /// The tensors of a restructured model as this variant stores them, in the same order.
  package func inventory(of inventory: TensorInventory, _ architecture: ModelArchitecture) -> TensorInventory {
    let assignment = FormatAssignment(storage, facts: MixtureFacts(inventory, architecture))
    var result = inventory
    var counter = PositionCounter()
    for index in result.tensors.indices {
      let tensor = result.tensors[index]
      let shape = TensorShape(tensor)
      let position = counter.next(shape.category, layer: tensor.layer)
      result.tensors[index].format = assignment.choice(for: shape).format(at: position)
    }
    return result
  }

  /// The model as this variant makes and stores it.
  ///
  /// - Throws: `CompressionError.notApplicable` for a model whose shapes do not allow a step.
  package func applied(to description: LanguageModelDescription) throws(CompressionError) -> LanguageModelDescription {
    var result = try restructured(description)
    result.inventory = inventory(of: result.inventory, result.architecture)
    return result
  }

  /// The sums over `inventory(of:_:)` of a restructured model without making the list.
  package func summary(of census: TensorCensus) -> VariantSummary {
    let assignment = FormatAssignment(storage, facts: census.facts)
    var summary = VariantSummary(parameters: census.parameters)
    for group in census.groups {
      let choice = assignment.choice(for: group.shape)
      if let format = choice.uniform {
        summary.add(group.shape, format, count: group.positions.count)
      } else {
        summary.addRuns(group, choice, census)
      }
    }
    return summary
  }
}

extension VariantSummary {
  /// Adds a group whose format depends on the layer, equal formats in a row at once.
  fileprivate mutating func addRuns(_ group: TensorCensus.Group, _ choice: FormatChoice, _ census: TensorCensus) {
    var run = (format: StorageFormat.f32, count: 0)
    for place in group.positions {
      let format = choice.format(at: census.positions[place])
      if format == run.format {
        run.count += 1
      } else {
        if run.count > 0 { add(group.shape, run.format, count: run.count) }
        run = (format, 1)
      }
    }
    if run.count > 0 { add(group.shape, run.format, count: run.count) }
  }
}
