// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import ModelFiles
internal import Quantities

/// The header of one safetensors file on the hub.
struct SafetensorsPart {
  let file: HubFile
  let header: SafetensorsHeader

  /// Elements of all tensors, when each is a parameter: 16 bits and wider floats, no packed codes or their scales.
  static func parameters(_ parts: [SafetensorsPart]) -> Int? {
    let tensors = parts.flatMap(\.header.tensors)
    let floats: Set<SafetensorsElement> = [.f16, .bf16, .f32, .f64]
    guard !tensors.isEmpty, tensors.allSatisfy({ floats.contains($0.element) }) else { return nil }
    // Shape and byte count were held against each other, so that the quotient is whole and no sum of them overflows
    // where the bytes' does not.
    var sum = 0
    for tensor in tensors {
      let (next, overflow) = sum.addingReportingOverflow(tensor.byteCount / tensor.element.byteCount)
      guard !overflow else { return nil }
      sum = next
    }
    return sum
  }
}

extension HubReader {
  private static let index = "model.safetensors.index.json"
  private static let single = "model.safetensors"
  /// More files than any published model has; each costs two requests.
  private static let partLimit = 512
  /// Most headers are shorter, so that one request is enough.
  private static let firstPiece = 64 << 10

  /// The headers of the repository's safetensors files; none when it has only other formats.
  func weightHeaders() throws(HubError) -> [SafetensorsPart] {
    guard let index = try jsonIfAny(Self.index, limit: Self.listLimit) else { return try singleHeader() }
    return try headers(try fileNames(index))
  }

  func headers(_ names: [String]) throws(HubError) -> [SafetensorsPart] {
    var parts: [SafetensorsPart] = []
    for name in names { parts.append(try safetensors(name)) }
    return parts
  }

  /// The file names in an index's `weight_map`, sorted, each once.
  private func fileNames(_ index: JSON) throws(HubError) -> [String] {
    guard let map = index["weight_map"]?.members, !map.isEmpty else {
      throw .file(
        .malformed(
          path: path(of: Self.index), at: .key("weight_map", offset: nil),
          .missing(expected: "an object of file names")))
    }
    var names: Set<String> = []
    for member in map {
      guard let name = member.value.stringValue, name.hasSuffix(".safetensors"), HubReader.isPlain(name) else {
        throw .file(
          .malformed(
            path: path(of: Self.index), at: .key("weight_map.\(member.key)", offset: nil),
            .missing(expected: "the name of a .safetensors file in the same folder")))
      }
      names.insert(name)
    }
    guard names.count <= Self.partLimit else {
      throw .file(
        .malformed(
          path: path(of: Self.index), at: .key("weight_map", offset: nil),
          .tooMany(what: "files", count: UInt64(names.count), limit: UInt64(Self.partLimit))))
    }
    return names.sorted()
  }

  /// A file name without folders.
  private static func isPlain(_ name: String) -> Bool { !name.contains("/") && !name.hasPrefix(".") }

  /// The header of `model.safetensors`, where there is one.
  private func singleHeader() throws(HubError) -> [SafetensorsPart] {
    do throws(HubError) {
      return [try safetensors(Self.single)]
    } catch {
      guard case .notFound(_, _, _?) = error else { throw error }
      return []
    }
  }

  /// Reads a header and nothing behind it but the rest of the first piece.
  func safetensors(_ name: String) throws(HubError) -> SafetensorsPart {
    var file = RemoteFile(name, of: reference, endpoint: connection.settings.endpoint)
    var wanted = Self.firstPiece
    while true {
      try file.extend(to: wanted, through: connection)
      switch try outcome(file) {
      case .complete(let header):
        let bytes = header.tensors.reduce(0) { $0 &+ $1.byteCount }
        return SafetensorsPart(
          file: HubFile(name: name, size: file.totalBytes.map { ByteCount($0) }, tensorBytes: ByteCount(bytes)),
          header: header)
      case .needsMoreBytes(let count):
        guard !file.isWhole, count > file.bytes.count else { throw truncated(file, count) }
        wanted = count
      }
    }
  }

  private func outcome(_ file: RemoteFile) throws(HubError) -> SafetensorsHeader.Outcome {
    let path = path(of: file.name)
    let result = file.bytes.withUnsafeBytes { bytes in
      Result { () throws(ModelFileError) in
        try SafetensorsHeader.read(bytes, fileBytes: file.totalBytes, path: path)
      }
    }
    do throws(ModelFileError) { return try result.get() } catch { throw .file(error) }
  }

  /// The file ends within its header.
  func truncated(_ file: RemoteFile, _ needed: Int) -> HubError {
    .file(
      .malformed(
        path: path(of: file.name), at: .offset(file.bytes.count),
        .truncated(what: "the header", neededBytes: UInt64(max(0, needed)), remainingBytes: 0)))
  }
}
