// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// What a checkpoint's folder says about its tokens.
package struct TokenizerFiles: Sendable {
  /// `tokenizer.json`
  package let tokenizer: JSON
  /// `tokenizer_config.json`, where there is one.
  package let configuration: JSON?
  /// `generation_config.json`, where there is one.
  package let generation: JSON?
  /// `chat_template.jinja`, which newer checkpoints have instead of a member of the configuration.
  package let chatTemplate: String?
  /// Of `tokenizer.json`, for messages.
  package let path: String

  package init(
    tokenizer: JSON, configuration: JSON? = nil, generation: JSON? = nil, chatTemplate: String? = nil, path: String
  ) {
    self.tokenizer = tokenizer
    self.configuration = configuration
    self.generation = generation
    self.chatTemplate = chatTemplate
    self.path = path
  }

  /// The largest published ones have 35 MB.
  private static let tokenizerLimit = 128 << 20

  /// Reads the files of a folder, or beside a file; nil without `tokenizer.json`.
  ///
  /// - Throws: `ModelFileError`.
  package static func beside(_ path: String) throws(ModelFileError) -> TokenizerFiles? {
    let folder =
      FileSystem.isFolder(path) ? path : path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let file = folder + "/tokenizer.json"
    guard FileSystem.isFile(file) else { return nil }
    func optional(_ name: String) throws(ModelFileError) -> JSON? {
      let path = "\(folder)/\(name)"
      return FileSystem.isFile(path) ? try FileSystem.json(path, limit: FileSystem.configurationLimit) : nil
    }
    let template = folder + "/chat_template.jinja"
    return TokenizerFiles(
      tokenizer: try FileSystem.json(file, limit: tokenizerLimit),
      configuration: try optional("tokenizer_config.json"), generation: try optional("generation_config.json"),
      chatTemplate: FileSystem.isFile(template) ? try FileSystem.text(template) : nil, path: file)
  }
}

extension GGUFMetadata {
  /// The metadata of a GGUF file, one with a vocabulary and nothing else included; nil for a folder and any other file.
  ///
  /// - Throws: `ModelFileError`.
  package static func ofFile(_ path: String) throws(ModelFileError) -> GGUFMetadata? {
    guard !FileSystem.isFolder(path) else { return nil }
    let file = try MappedFile(path: path)
    guard withExtendedLifetime(file, { file.bytes.starts(with: GGUFHeader.magic) }) else { return nil }
    return try GGUFFile(path: path).header.metadata
  }
}
