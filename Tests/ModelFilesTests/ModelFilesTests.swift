// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Quantities
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@testable import ModelFiles

/// Reads a buffer as a whole file.
func readHeader(_ bytes: [UInt8], fileBytes: Int? = nil) throws -> GGUFHeader.Outcome {
  try bytes.withUnsafeBytes { try GGUFHeader.read($0, fileBytes: fileBytes ?? bytes.count, path: "model.gguf") }
}

func completeHeader(_ bytes: [UInt8]) throws -> GGUFHeader {
  guard case .complete(let header) = try readHeader(bytes) else {
    throw ModelFileError.notAModel(path: "model.gguf", reason: "the reader asks for bytes beyond the file")
  }
  return header
}

/// One value of every type and tensors of several formats.
func everythingWriter(alignment: Int = 32) -> GGUFWriter {
  var writer = GGUFWriter(alignment: alignment)
  writer.set("general.architecture", .string("llama"))
  writer.set("a.u8", .uint8(200))
  writer.set("a.i8", .int8(-100))
  writer.set("a.u16", .uint16(60_000))
  writer.set("a.i16", .int16(-30_000))
  writer.set("a.u32", .uint32(4_000_000_000))
  writer.set("a.i32", .int32(-2_000_000_000))
  writer.set("a.u64", .uint64(.max))
  writer.set("a.i64", .int64(.min))
  writer.set("a.f32", .float32(1.5))
  writer.set("a.f64", .float64(-0.1))
  writer.set("a.yes", .bool(true))
  writer.set("a.tokens", .array(GGUFArray(["<s>", "", "▁the", "\n"])))
  writer.set("a.scores", .array(GGUFArray([0, -1, -2.5, 3] as [Float])))
  writer.set("a.kinds", .array(GGUFArray([3, 3, 1, 1] as [Int32])))
  writer.set("a.flags", .array(GGUFArray([true, false])))
  writer.set("a.none", .array(GGUFArray([] as [String])))
  writer.add(tensor: "token_embd.weight", dimensions: [256, 10], format: .q4_k)
  writer.add(tensor: "blk.0.attn_norm.weight", dimensions: [3], format: .f32)
  writer.add(tensor: "blk.0.ffn_up_exps.weight", dimensions: [64, 5, 3], format: .q8_0)
  writer.add(tensor: "output.weight", dimensions: [256, 10], format: .f16)
  return writer
}

func everythingFile() -> [UInt8] {
  let writer = everythingWriter()
  return writer.bytes { index in [UInt8](repeating: UInt8(index + 1), count: writer.tensors[index].byteCount) }
}

@Suite struct `GGUF files` {
  @Test func `what the writer lays out the reader gives back`() throws {
    for alignment in [8, 32, 4096] {
      let writer = everythingWriter(alignment: alignment)
      let bytes = writer.bytes { [UInt8](repeating: 7, count: writer.tensors[$0].byteCount) }
      let header = try completeHeader(bytes)
      #expect(bytes.count == writer.fileBytes)
      #expect(header.version == 3)
      #expect(header.alignment == alignment)
      #expect(header.metadata == writer.metadata)
      #expect(header.metadata.keys == writer.metadata.keys)
      #expect(header.tensors == writer.tensors)
      #expect(header.dataOffset % alignment == 0)
    }
  }

  @Test func `values keep their type and turn into numbers only when they fit`() throws {
    let metadata = try completeHeader(everythingFile()).metadata
    #expect(metadata["a.u8"] == .uint8(200))
    #expect(metadata["a.i8"]?.intValue == -100)
    #expect(metadata["a.u64"]?.intValue == nil)
    #expect(metadata["a.i64"]?.intValue == .min)
    #expect(metadata["a.f32"]?.doubleValue == 1.5)
    #expect(metadata["a.u32"]?.doubleValue == 4_000_000_000)
    #expect(metadata["a.yes"]?.boolValue == true)
    #expect(metadata["general.architecture"]?.stringValue == "llama")
    #expect(metadata["absent"] == nil)
  }

  @Test func `arrays come back as strings, integers, floats and truth values`() throws {
    let metadata = try completeHeader(everythingFile()).metadata
    let tokens = try #require(metadata["a.tokens"]?.arrayValue)
    #expect(tokens.strings == ["<s>", "", "▁the", "\n"])
    #expect(tokens.utf8(at: 0).elementsEqual("<s>".utf8))
    #expect(tokens.utf8(at: 1).isEmpty)
    #expect(tokens.integers == nil)
    #expect(metadata["a.scores"]?.arrayValue?.floats == [0, -1, -2.5, 3])
    #expect(metadata["a.kinds"]?.arrayValue?.integers == [3, 3, 1, 1])
    #expect(metadata["a.flags"]?.arrayValue?.booleans == [true, false])
    #expect(metadata["a.none"]?.arrayValue?.strings == [])
  }

  @Test func `an array of arrays survives`() throws {
    var writer = GGUFWriter()
    let inner = [GGUFArray([1, 2] as [Int32]), GGUFArray([] as [Int32])]
    writer.set("a.nested", .array(GGUFArray(elementType: .array, count: 2, storage: [], nested: inner)))
    let header = try completeHeader(writer.headerBytes())
    #expect(header.metadata["a.nested"]?.arrayValue?.nested.map(\.integers) == [[1, 2], []])
  }

  @Test func `a version 2 file reads the same`() throws {
    var bytes = everythingFile()
    bytes[4] = 2
    #expect(try completeHeader(bytes).version == 2)
  }

  @Test func `a partial buffer asks for more until the header is whole, and never for more than that`() throws {
    let bytes = everythingFile()
    let header = try completeHeader(bytes)
    var given = 0
    var steps = 0
    while case .needsMoreBytes(let count) = try readHeader(Array(bytes[0..<given]), fileBytes: bytes.count) {
      #expect(count > given)
      #expect(count <= header.dataOffset)
      given = count
      steps += 1
    }
    #expect(steps > 10)
    #expect(given <= header.dataOffset)
  }

  @Test func `a file is mapped and its tensors are found where they were written`() throws {
    let path = "/tmp/anprobe-\(UInt64.random(in: 0...(.max))).gguf"
    let writer = everythingWriter()
    try writer.write(to: path) { (index, sink) throws(ModelFileError) in
      // In two pieces, as a stream would come.
      let count = writer.tensors[index].byteCount
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
      defer { buffer.deallocate() }
      for place in buffer.indices { buffer[place] = UInt8(index + 1) }
      try sink(UnsafeRawBufferPointer(rebasing: buffer[..<(count / 2)]))
      try sink(UnsafeRawBufferPointer(rebasing: buffer[(count / 2)...]))
    }
    defer { remove(path) }
    let file = try GGUFFile(path: path)
    #expect(file.file.count == writer.fileBytes)
    for index in writer.tensors.indices {
      let bytes = file.bytes(ofTensor: index)
      #expect(bytes.count == writer.tensors[index].byteCount)
      #expect(bytes.allSatisfy { $0 == UInt8(index + 1) })
    }
    #expect(file.index(ofTensorNamed: "output.weight") == 3)
    #expect(file.index(ofTensorNamed: "absent") == nil)
    #expect(file.inventory.bytes == ByteCount(file.header.tensorBytes))
    #expect(file.inventory.tensors.map(\.role) == [.tokenEmbedding, .attentionNorm, .expertUp, .outputHead])
    #expect(file.inventory.tensors.map(\.copies) == [1, 1, 3, 1])
    #expect(file.inventory.tensors.map(\.isVector) == [false, true, false, false])
  }
}
