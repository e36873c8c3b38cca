// SPDX-License-Identifier: Apache-2.0
package import JSONText

extension LanguageModelDescription {
  /// Describes a model from its Hugging Face `config.json`.
  ///
  /// A model type without rules is described as a llama-like transformer when its keys allow it, and says so in
  /// `notes`.
  /// - Throws: ``ConfigurationError`` naming file and key.
  package init(
    configuration: JSON, name: String, provenance: Provenance, file: String = "config.json"
  ) throws(ConfigurationError) {
    let bare = try ConfigurationReader(configuration, file: file)
    let recipe = Recipe.recipe(for: bare.modelType)
    let config = bare.filled(with: recipe?.defaults ?? [:])
    var plan = try (recipe ?? .llama).plan(config, recipe ?? .llama)
    if recipe == nil { plan.notes.append(.unknownModelType(config.modelType)) }
    for tower in ["vision", "audio"] where configuration["\(tower)_config"]?.members != nil {
      plan.notes.append(.towerLeftOut(tower))
    }
    let (architecture, inventory) = try plan.description(of: config)
    self.init(
      name: name, architecture: architecture, inventory: inventory, provenance: provenance, notes: plan.notes)
  }
}
