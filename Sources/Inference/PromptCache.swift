// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import LanguageModel
internal import ModelFiles
package import Quantities

/// A sequence's tokens with their keys and values in a file, so that a prompt need not run twice.
///
/// The container is GGUF: its reader holds every count and length of a file against the file's size. The tokens are one
/// tensor; of each layer's heads the keys and values are tensors of bytes as the cache has them, from the position on at
/// which the layer's rows begin.
struct PromptCache {
  private static let architecture = "prompt-cache"
  private static let version: UInt32 = 2
  private static let tokensName = "tokens"
  private static let firstsName = "firsts"

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

  /// Writes a sequence's rows; the file appears under its name when it is complete.
  ///
  /// - Throws: `ModelFileError.unwritable`.
  func save(_ tokens: [Int32], of sequence: Int, to path: String) throws {
    let firsts = cache.layout.layers.indices.map { cache.first($0, sequence) }
    let rows = cache.tracks(of: sequence).map {
      UnsafeRawBufferPointer(start: $0.rows, count: (tokens.count - firsts[$0.layer]) * $0.rowBytes)
    }
    let places = firsts.map { Int32($0) }
    var writer = GGUFWriter()
    writer.set(Key.kind, .string(Self.architecture))
    writer.set(Key.version, .uint32(Self.version))
    writer.set(Key.model, .string(model))
    writer.set(Key.format, .string(cache.format.rawValue))
    writer.set(Key.checksum, .string(Self.checksum(tokens, places, rows)))
    writer.add(tensor: Self.tokensName, dimensions: [tokens.count], format: .i32)
    writer.add(tensor: Self.firstsName, dimensions: [places.count], format: .i32)
    for (index, row) in rows.enumerated() {
      writer.add(tensor: Self.name(index), dimensions: [row.count], format: .i8)
    }
    try writer.write(to: path) { index, sink in
      switch index {
      case 0: try tokens.withUnsafeBytes(sink)
      case 1: try places.withUnsafeBytes(sink)
      default: try sink(rows[index - 2])
      }
    }
  }

  private static func name(_ index: Int) -> String { "cache.\(index)" }

  private static func checksum(_ tokens: [Int32], _ firsts: [Int32], _ rows: [UnsafeRawBufferPointer]) -> String {
    var digest = Digest()
    tokens.withUnsafeBytes { digest.add($0) }
    firsts.withUnsafeBytes { digest.add($0) }
    for row in rows { digest.add(row) }
    return digest.text
  }

  /// Fills a sequence with a file's rows and gives the tokens that they stand for.
  ///
  /// - Parameter limit: positions of the sequence; of a longer file the beginning is taken, or nothing where a window
  ///   has left it behind.
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
    let all = try integers(Self.tokensName, file, path: path)
    if let stranger = all.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
      throw PromptCacheError.damaged(path: path, reason: "\(stranger) is no token")
    }
    let places = try integers(Self.firstsName, file, path: path)
    let firsts = places.map { Int($0) }
    try check(firsts, tokens: all.count, path: path)
    let tracks = cache.tracks(of: sequence)
    let sources = try tracks.enumerated().map { index, track in
      let source = try file.bytes(of: Self.name(index), path: path)
      guard source.count == track.rowBytes * (all.count - firsts[track.layer]) else {
        throw PromptCacheError.damaged(path: path, reason: "'\(Self.name(index))' has \(source.count) bytes")
      }
      return source
    }
    guard file.header.metadata[Key.checksum]?.stringValue == Self.checksum(all, places, sources) else {
      throw PromptCacheError.damaged(path: path, reason: "its bytes are not those that were written")
    }
    return Array(all.prefix(take(sources, into: tracks, of: sequence, firsts, count: min(limit, all.count))))
  }

  /// Copies the rows of the first `count` positions, as many of the last ones as a layer has room for.
  ///
  /// - Returns: the positions that are there now: so many or none.
  private func take(
    _ sources: [UnsafeRawBufferPointer], into tracks: [KVCache.Track], of sequence: Int, _ firsts: [Int], count: Int
  ) -> Int {
    let layers = cache.layout.layers
    guard layers.indices.allSatisfy({ cache.reaches(count, $0, first: firsts[$0]) }) else { return 0 }
    for index in layers.indices { cache.set(first: max(firsts[index], count - layers[index].rows), index, sequence) }
    for (source, track) in zip(sources, tracks) {
      let first = cache.first(track.layer, sequence)
      let start = (first - firsts[track.layer]) * track.rowBytes
      UnsafeMutableRawBufferPointer(start: track.rows, count: (count - first) * track.rowBytes).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: source.dropFirst(start).prefix((count - first) * track.rowBytes)))
    }
    return count
  }

  /// Refuses first positions that no cache of so many tokens has.
  private func check(_ firsts: [Int], tokens: Int, path: String) throws(PromptCacheError) {
    let isWhole =
      tokens > 0 && firsts.count == cache.layout.layers.count
      && firsts.indices.allSatisfy { index in
        let first = firsts[index]
        return first == 0
          || first > 0 && cache.layout.layers[index].window != nil && cache.reaches(tokens, index, first: first)
      }
    if !isWhole { throw .damaged(path: path, reason: "its rows do not begin where rows of its tokens begin") }
  }

  private func check(_ metadata: GGUFMetadata, path: String) throws(PromptCacheError) {
    guard metadata[Key.kind]?.stringValue == Self.architecture else { throw .noPromptCache(path: path) }
    let version = metadata[Key.version]?.intValue ?? 0
    guard version == Int(Self.version) else {
      throw .otherVersion(path: path, found: version, known: Int(Self.version))
    }
    guard metadata[Key.model]?.stringValue == model else { throw .foreign(path: path, what: "other weights or rules") }
    let format = metadata[Key.format]?.stringValue ?? ""
    guard format == cache.format.rawValue else {
      throw .foreign(path: path, what: "a cache in \(format), not in \(cache.format.rawValue)")
    }
  }

  private func integers(_ name: String, _ file: Contents, path: String) throws(PromptCacheError) -> [Int32] {
    let bytes = try file.bytes(of: name, path: path)
    return (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) }
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
  /// Written by another version of this program.
  case otherVersion(path: String, found: Int, known: Int)

  package var kind: String {
    switch self {
    case .noPromptCache: "no_prompt_cache"
    case .foreign: "prompt_cache_foreign"
    case .damaged: "prompt_cache_damaged"
    case .otherVersion: "prompt_cache_version"
    }
  }

  package var message: String {
    switch self {
    case .noPromptCache(let path): "'\(path)' is no prompt cache."
    case .foreign(let path, let what): "The prompt cache '\(path)' does not serve this run: it holds \(what)."
    case .damaged(let path, let reason): "The prompt cache '\(path)' is damaged: \(reason)."
    case .otherVersion(let path, let found, let known):
      "The prompt cache '\(path)' is of format \(found); this version of anprobe reads and writes format \(known)."
    }
  }

  package var remedy: String {
    switch self {
    case .noPromptCache: "Give the name of a new file, or of one that --prompt-cache wrote."
    case .foreign: "Give another file for this model and KV format (--prompt-cache)."
    case .damaged, .otherVersion: "Delete it; the next run writes it again."
    }
  }

  package var exitCode: ExitReason { .badInput }
}
