// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import LanguageModel
internal import ModelFiles
package import Quantities

/// A sequence's tokens with their keys and values in a file, so that a prompt need not run twice.
///
/// The container is GGUF: its reader holds every count and length of a file against the file's size. The tokens are one
/// tensor; keys and values of each layer are tensors of bytes as the cache has them.
struct PromptCache {
  private static let architecture = "prompt-cache"
  private static let version: UInt32 = 1
  private static let tokensName = "tokens"

  private enum Key {
    static let kind = "general.architecture"
    static let version = "prompt-cache.version"
    static let model = "prompt-cache.model"
    static let format = "prompt-cache.format"
    static let checksum = "prompt-cache.checksum"
  }

  /// Names the weights, the rules and the rotation that the rows come from.
  let model: String
  let cache: KVCache
  let vocabulary: Int

  /// Writes the first rows of a sequence; the file appears under its name when it is complete.
  ///
  /// - Throws: `ModelFileError.unwritable`.
  func save(_ tokens: [Int32], of sequence: Int, to path: String) throws {
    let rows = cache.rows(of: sequence, positions: tokens.count).map { UnsafeRawBufferPointer($0) }
    var writer = GGUFWriter()
    writer.set(Key.kind, .string(Self.architecture))
    writer.set(Key.version, .uint32(Self.version))
    writer.set(Key.model, .string(model))
    writer.set(Key.format, .string(cache.format.rawValue))
    writer.set(Key.checksum, .string(Self.checksum(tokens, rows)))
    writer.add(tensor: Self.tokensName, dimensions: [tokens.count], format: .i32)
    for (index, row) in rows.enumerated() {
      writer.add(tensor: Self.name(index), dimensions: [row.count], format: .i8)
    }
    try writer.write(to: path) { index, sink in
      if index == 0 { try tokens.withUnsafeBytes(sink) } else { try sink(rows[index - 1]) }
    }
  }

  private static func name(_ index: Int) -> String { "cache.\(index)" }

  private static func checksum(_ tokens: [Int32], _ rows: [UnsafeRawBufferPointer]) -> String {
    var digest = Digest()
    tokens.withUnsafeBytes { digest.add($0) }
    for row in rows { digest.add(row) }
    return digest.text
  }

  /// Fills a sequence with a file's rows and gives the tokens that they stand for.
  ///
  /// - Parameter limit: positions of the sequence; of a longer file the beginning is taken.
  /// - Throws: `PromptCacheError`; `ModelFileError.unreadable`. The sequence is as it was then.
  func load(_ sequence: Int, limit: Int, from path: String) throws -> [Int32] {
    do { return try rows(sequence, limit: limit, from: path) } catch let error as ModelFileError {
      guard case .malformed = error else { throw error }
      throw PromptCacheError.damaged(path: path, reason: error.message)
    }
  }

  private func rows(_ sequence: Int, limit: Int, from path: String) throws -> [Int32] {
    let file = try Contents(path: path)
    try check(file.header.metadata, path: path)
    let all = try tokens(file, path: path)
    let kept = Array(all.prefix(limit))
    let targets = cache.rows(of: sequence, positions: kept.count)
    let sources = try targets.enumerated().map { index, target in
      let source = try file.bytes(of: Self.name(index), path: path)
      guard !all.isEmpty, source.count == target.count / max(1, kept.count) * all.count else {
        throw PromptCacheError.damaged(path: path, reason: "'\(Self.name(index))' has \(source.count) bytes")
      }
      return source
    }
    guard file.header.metadata[Key.checksum]?.stringValue == Self.checksum(all, sources) else {
      throw PromptCacheError.damaged(path: path, reason: "its bytes are not those that were written")
    }
    for (target, source) in zip(targets, sources) {
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(target.count)))
    }
    return kept
  }

  private func check(_ metadata: GGUFMetadata, path: String) throws(PromptCacheError) {
    guard metadata[Key.kind]?.stringValue == Self.architecture else { throw .noPromptCache(path: path) }
    let version = metadata[Key.version]?.intValue ?? 0
    guard version == Int(Self.version) else {
      throw .foreign(path: path, what: "format \(version) of such files, not \(Self.version)")
    }
    guard metadata[Key.model]?.stringValue == model else { throw .foreign(path: path, what: "other weights or rules") }
    let format = metadata[Key.format]?.stringValue ?? ""
    guard format == cache.format.rawValue else {
      throw .foreign(path: path, what: "a cache in \(format), not in \(cache.format.rawValue)")
    }
  }

  private func tokens(_ file: Contents, path: String) throws -> [Int32] {
    let bytes = try file.bytes(of: Self.tokensName, path: path)
    let tokens = (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) }
    if let stranger = tokens.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
      throw PromptCacheError.damaged(path: path, reason: "\(stranger) is no token")
    }
    return tokens
  }

  /// A mapped file and its header.
  private struct Contents {
    let header: GGUFHeader
    private let file: MappedFile

    init(path: String) throws(ModelFileError) {
      file = try MappedFile(path: path)
      switch try GGUFHeader.read(file.bytes, fileBytes: file.count, path: path) {
      case .complete(let header): self.header = header
      case .needsMoreBytes(let count):
        throw .malformed(
          path: path, at: .offset(file.count),
          .truncated(what: "the header", neededBytes: UInt64(count), remainingBytes: 0))
      }
    }

    /// Valid while the file is mapped.
    func bytes(of name: String, path: String) throws(PromptCacheError) -> UnsafeRawBufferPointer {
      guard let tensor = header.tensors.first(where: { $0.name == name }) else {
        throw .damaged(path: path, reason: "it has no '\(name)'")
      }
      let start = header.dataOffset + tensor.offset
      return UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + tensor.byteCount])
    }
  }
}

/// Why a file is no help with a prompt.
package enum PromptCacheError: ExplainedError, Equatable {
  case noPromptCache(path: String)
  /// Written by something that this session would compute otherwise.
  case foreign(path: String, what: String)
  case damaged(path: String, reason: String)

  package var kind: String {
    switch self {
    case .noPromptCache: "no_prompt_cache"
    case .foreign: "prompt_cache_foreign"
    case .damaged: "prompt_cache_damaged"
    }
  }

  package var message: String {
    switch self {
    case .noPromptCache(let path): "'\(path)' is no prompt cache."
    case .foreign(let path, let what): "The prompt cache '\(path)' does not serve this run: it holds \(what)."
    case .damaged(let path, let reason): "The prompt cache '\(path)' is damaged: \(reason)."
    }
  }

  package var remedy: String {
    switch self {
    case .noPromptCache: "Give the name of a new file, or of one that --prompt-cache wrote."
    case .foreign: "Give another file for this model and KV format (--prompt-cache)."
    case .damaged: "Delete it; the next run writes it again."
    }
  }

  package var exitCode: ExitReason { .badInput }
}
