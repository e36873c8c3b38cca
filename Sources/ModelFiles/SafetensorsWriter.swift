// SPDX-License-Identifier: Apache-2.0
internal import JSONText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Lays out a safetensors file: tensors in the order in which they were added, and free text.
package struct SafetensorsWriter: Sendable {
  package struct Tensor: Sendable {
    package let name: String
    package let element: SafetensorsElement
    package let shape: [Int]
    package var byteCount: Int { shape.reduce(1, *) * element.byteCount }
  }

  package private(set) var tensors: [Tensor] = []
  package var metadata: [(key: String, value: String)] = [("format", "pt")]

  package init() {}

  /// - Parameter shape: row-major, the contiguous dimension last.
  package mutating func add(_ name: String, _ element: SafetensorsElement, _ shape: [Int]) {
    tensors.append(Tensor(name: name, element: element, shape: shape))
  }

  package var dataBytes: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  private var header: [UInt8] {
    var members: [JSON.Member] = [
      .init("__metadata__", .object(metadata.map { .init($0.key, .string($0.value)) }))
    ]
    var offset: Int64 = 0
    for tensor in tensors {
      let end = offset + Int64(tensor.byteCount)
      members.append(
        .init(
          tensor.name,
          [
            "dtype": .string(tensor.element.rawValue), "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            "data_offsets": .array([.integer(offset), .integer(end)]),
          ]))
      offset = end
    }
    var text = Array(JSON.object(members).text().utf8)
    // Spaces behind the object bring the data to a multiple of eight.
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  /// Writes the file, asking for each tensor's bytes in turn. It is whole or not there.
  ///
  /// - Throws: `ModelFileError`, also when a tensor gets more or fewer bytes than its shape needs; what `content` throws.
  package func write(to path: String, content: (_ tensor: Int, _ sink: GGUFWriter.Sink) throws -> Void) throws {
    let partial = path + ".partial"
    let output = try OutputFile(path: partial)
    do {
      try output.write(header)
      for index in tensors.indices {
        var written = 0
        try content(index) { (bytes) throws(ModelFileError) in
          written += bytes.count
          try output.write(bytes)
        }
        guard written == tensors[index].byteCount else {
          throw ModelFileError.malformed(
            path: path, at: .tensor(tensors[index].name, offset: nil),
            .wrongByteCount(found: UInt64(written), expected: UInt64(tensors[index].byteCount)))
        }
      }
      try output.close()
    } catch {
      unlink(partial)
      throw error
    }
    try FolderWriter.rename(partial, to: path)
  }
}

/// A folder that appears under its name only when all of its files are written.
package struct FolderWriter {
  package let path: String
  /// Where the files are written until then.
  package let partial: String

  /// - Throws: `ModelFileError.unwritable` when the name is taken, or the folder cannot be made.
  package init(path: String) throws(ModelFileError) {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    self.path = trimmed
    partial = trimmed + ".partial"
    var status = stat()
    guard stat(trimmed, &status) != 0 else { throw .unwritable(path: trimmed, operation: "create", errno: EEXIST) }
    Self.remove(partial)
    guard mkdir(partial, 0o755) == 0 else { throw .unwritable(path: trimmed, operation: "create", errno: errno) }
  }

  /// - Throws: `ModelFileError.unwritable`.
  package func write(_ text: String, as name: String) throws(ModelFileError) {
    let output = try OutputFile(path: "\(partial)/\(name)")
    try output.write(Array(text.utf8))
    try output.close()
  }

  /// Copies a file of another folder where it has one.
  package func copy(_ name: String, from folder: String) throws(ModelFileError) {
    guard FileSystem.isFile("\(folder)/\(name)") else { return }
    let source = try MappedFile(path: "\(folder)/\(name)")
    let output = try OutputFile(path: "\(partial)/\(name)")
    try withExtendedLifetime(source) { () throws(ModelFileError) in try output.write(source.bytes) }
    try output.close()
  }

  /// Gives the folder its name.
  package func finish() throws(ModelFileError) { try Self.rename(partial, to: path) }

  package func abandon() { Self.remove(partial) }

  static func rename(_ old: String, to new: String) throws(ModelFileError) {
    guard renameFile(old, new) == 0 else { throw .unwritable(path: new, operation: "create", errno: errno) }
  }

  /// Removes a folder of files.
  private static func remove(_ folder: String) {
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink("\(folder)/\(name)") }
    }
    rmdir(folder)
  }
}

/// The system's own, which the method of the same name hides.
private func renameFile(_ old: String, _ new: String) -> Int32 { rename(old, new) }
