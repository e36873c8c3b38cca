// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import LanguageModel

/// A model on disk: its description, and its weights where the path holds any.
package struct ModelFile: Sendable {
  package let description: LanguageModelDescription
  /// Nil for a bare configuration.
  package let weights: (any WeightSource)?
  /// What a GGUF file says besides, its vocabulary among it; nil for anything else.
  package let metadata: GGUFMetadata?

  package init(
    description: LanguageModelDescription, weights: (any WeightSource)? = nil, metadata: GGUFMetadata? = nil
  ) {
    self.description = description
    self.weights = weights
    self.metadata = metadata
  }
}

extension ModelFile {
  /// Opens whatever a path names: a `.gguf` file, a `.safetensors` file with `config.json` beside it, a
  /// `config.json` (any `.json`), or a folder with `config.json` and perhaps safetensors.
  ///
  /// Only headers are read; weights stay on disk until they are touched.
  /// - Throws: `ModelFileError`.
  package static func open(_ path: String) throws(ModelFileError) -> ModelFile {
    if FileSystem.isFolder(path) { return try openFolder(path) }
    let file = try MappedFile(path: path)
    if file.bytes.starts(with: GGUFHeader.magic) || path.lowercased().hasSuffix(".gguf") { return try openGGUF(path) }
    if path.lowercased().hasSuffix(".safetensors") { return try openSafetensors(path) }
    if path.lowercased().hasSuffix(".json") {
      return ModelFile(description: try describe(path, .configuration(path: path)))
    }
    throw .malformed(
      path: path, at: .offset(0),
      .wrongMagic(found: Array(file.bytes.prefix(4)), expected: "'GGUF', or a name that ends in .safetensors or .json"))
  }

  private static func openFolder(_ folder: String) throws(ModelFileError) -> ModelFile {
    let configuration = folder + "/config.json"
    guard FileSystem.isFile(configuration) else {
      throw .notAModel(path: folder, reason: "the folder has no config.json")
    }
    let weights = try SafetensorsFiles.inFolder(folder)
    let provenance: LanguageModelDescription.Provenance =
      weights == nil ? .configuration(path: configuration) : .safetensors(path: folder)
    return try withWeights(try describe(configuration, provenance), weights, configuration)
  }

  /// A quantised checkpoint's tensors are other ones than its configuration's.
  private static func withWeights(
    _ description: LanguageModelDescription, _ files: SafetensorsFiles?, _ configuration: String
  ) throws(ModelFileError) -> ModelFile {
    guard let files else { return ModelFile(description: description) }
    let weights = try CheckpointWeights.reading(files, configuration: configuration)
    var description = description
    if weights is CheckpointWeights { description.inventory = weights.inventory }
    return ModelFile(description: description, weights: weights)
  }

  private static func openSafetensors(_ path: String) throws(ModelFileError) -> ModelFile {
    let weights = try SafetensorsFiles(path: path, files: [path])
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let configuration = folder + "/config.json"
    guard FileSystem.isFile(configuration) else {
      throw .notAModel(path: path, reason: "safetensors hold no shapes of the model, and '\(configuration)' is missing")
    }
    return try withWeights(try describe(configuration, .safetensors(path: path)), weights, configuration)
  }

  private static func describe(
    _ configuration: String, _ provenance: LanguageModelDescription.Provenance
  ) throws(ModelFileError) -> LanguageModelDescription {
    let json = try FileSystem.json(configuration, limit: FileSystem.configurationLimit)
    do throws(ConfigurationError) {
      return try LanguageModelDescription(
        configuration: json, name: name(ofConfiguration: configuration), provenance: provenance, file: configuration)
    } catch {
      throw .configuration(path: configuration, error)
    }
  }

  /// The folder's name for a `config.json`, else the file's own.
  private static func name(ofConfiguration path: String) -> String {
    let parts = path.split(separator: "/").map(String.init)
    guard let last = parts.last else { return path }
    if last == "config.json", parts.count > 1, parts[parts.count - 2] != "." { return parts[parts.count - 2] }
    return last.hasSuffix(".json") ? String(last.dropLast(5)) : last
  }

  private static func openGGUF(_ path: String) throws(ModelFileError) -> ModelFile {
    let file = try GGUFFile(path: path)
    guard (file.header.metadata.integer(GGUFShards.countKey) ?? 1) != 1 else {
      let description = try file.header.description(file.inventory, path: path)
      return ModelFile(description: description, weights: file, metadata: file.header.metadata)
    }
    let shards = try GGUFShards(first: file)
    let header = shards.files[0].header
    let description = try header.description(shards.inventory, path: path)
    return ModelFile(description: description, weights: shards, metadata: header.metadata)
  }
}

extension GGUFHeader {
  /// The model that the metadata and these tensors describe.
  ///
  /// - Throws: `ModelFileError.configuration`.
  package func description(
    _ inventory: TensorInventory, path: String, provenance: LanguageModelDescription.Provenance? = nil
  ) throws(ModelFileError) -> LanguageModelDescription {
    let fileName = path.split(separator: "/").last.map(String.init) ?? path
    let ownName = metadata.string("general.name").flatMap { $0.isEmpty ? nil : $0 }
    do throws(ConfigurationError) {
      return try LanguageModelDescription(
        metadata: metadata, inventory: inventory, name: ownName ?? fileName,
        provenance: provenance ?? .ggufFile(path: path), file: path)
    } catch {
      throw .configuration(path: path, error)
    }
  }
}
