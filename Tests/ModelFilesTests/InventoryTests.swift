// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import Quantities
import TestSupport
import Testing

@testable import ModelFiles

@Suite struct `The inventory of a GGUF file` {
  private static let formats = BlockFormat.allCases

  /// A file of up to 40 tensors with random formats and shapes.
  private func randomWriter(_ random: inout SeededRandom) -> GGUFWriter {
    var writer = GGUFWriter(alignment: [8, 32, 64, 256].randomElement(using: &random) ?? 32)
    writer.set("general.architecture", .string("llama"))
    for index in 0..<Int.random(in: 0...40, using: &random) {
      let format = Self.formats.randomElement(using: &random) ?? .f32
      var dimensions = [format.elementsPerBlock * Int.random(in: 1...3, using: &random)]
      for _ in 0..<Int.random(in: 0...3, using: &random) { dimensions.append(Int.random(in: 1...4, using: &random)) }
      writer.add(tensor: "blk.\(index).\(format.rawValue)", dimensions: dimensions, format: format)
    }
    return writer
  }

  @Test(arguments: 0..<200)
  func `has exactly the file's bytes but for header and padding`(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let writer = randomWriter(&random)
    let file = writer.bytes { [UInt8](repeating: 0xAB, count: writer.tensors[$0].byteCount) }
    let header = try completeHeader(file)
    let inventory = try header.inventory(path: "model.gguf")
    let padding = header.tensors.reduce(0) { sum, tensor in
      sum + (header.alignment - tensor.byteCount % header.alignment) % header.alignment
    }
    #expect(inventory.bytes == ByteCount(file.count - header.dataOffset - padding))
    #expect(inventory.fileNames == writer.tensors.map(\.name))
    #expect(zip(inventory.tensors, header.tensors).allSatisfy { $0.bytes == ByteCount($1.byteCount) })
    #expect(zip(inventory.tensors, header.tensors).allSatisfy { $0.elements == $1.elementCount })
  }

  @Test(
    .enabled(if: SharedData.file("models/stories260K-f32.gguf") != nil, "../shared/data/models is absent"))
  func `of a real trained model counts its 260,032 weights and the head that the file holds apart`() throws {
    let path = try #require(SharedData.file("models/stories260K-f32.gguf")).path
    let file = try GGUFFile(path: path)
    #expect(file.inventory.parameterCount == 260_032 + 512 * 64)
    #expect(file.inventory.bytes == ByteCount((260_032 + 512 * 64) * 4))
    #expect(!file.inventory.tensors.contains { $0.role == .other })
    #expect(file.header.metadata["tokenizer.ggml.tokens"]?.arrayValue?.count == 512)
  }

  @Test(
    .enabled(if: SharedData.file("vocab/ggml-vocab-gpt-2.gguf") != nil, "../shared/data/vocab is absent"),
    arguments: [
      ("llama-spm", 32_000, "llama"), ("gpt-2", 50_257, "gpt2"), ("falcon", 65_024, "gpt2"),
      ("deepseek-llm", 102_400, "gpt2"), ("phi-3", 32_064, "llama"), ("starcoder", 49_152, "gpt2"),
    ])
  func `of a vocabulary is empty, and its tokens are all there`(name: String, tokens: Int, model: String) throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-\(name).gguf")).path
    let file = try GGUFFile(path: path)
    #expect(file.inventory.tensors.isEmpty)
    let array = try #require(file.header.metadata["tokenizer.ggml.tokens"]?.arrayValue)
    #expect(array.count == tokens)
    #expect(array.strings?.count == tokens)
    #expect(file.header.metadata.arrayCount("tokenizer.ggml.token_type") == tokens)
    #expect(file.header.metadata.string("tokenizer.ggml.model") == model)
  }

  @Test func `numbers are looked up whatever their type in the file`() {
    var metadata = GGUFMetadata()
    metadata.append("u", .uint32(7))
    metadata.append("f", .float32(8))
    metadata.append("h", .float64(8.5))
    metadata.append("list", .array(GGUFArray([4, 0] as [Int32])))
    metadata.append("flags", .array(GGUFArray([true, false])))
    #expect(metadata.integer("u") == 7)
    #expect(metadata.integer("f") == 8)
    #expect(metadata.integer("h") == nil)
    #expect(metadata.number("u") == 7)
    #expect(metadata.number("h") == 8.5)
    #expect(metadata.integers("list") == [4, 0])
    #expect(metadata.integers("flags") == [1, 0])
    #expect(metadata.arrayCount("list") == 2)
    #expect(metadata.string("u") == nil)
    #expect(metadata.flag("u") == nil)
  }
}

@Suite struct `Writing GGUF files` {
  @Test func `a tensor with too few or too many bytes leaves no file behind`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/model.gguf"
    var writer = GGUFWriter()
    writer.add(tensor: "w", dimensions: [32], format: .q8_0)
    for count in [33, 35] {
      let error = #expect(throws: ModelFileError.self) {
        try writer.write(to: path) { (_, sink) throws(ModelFileError) in
          let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
          defer { buffer.deallocate() }
          buffer.initializeMemory(as: UInt8.self, repeating: 0)
          try sink(UnsafeRawBufferPointer(buffer))
        }
      }
      #expect(
        error?.message == "Cannot read '\(path)' at tensor 'w': it has \(count) bytes; its shape and type need 34.")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
  }

  @Test func `a folder that does not exist is an error of writing`() {
    let error = #expect(throws: ModelFileError.self) {
      try GGUFWriter().write(to: "/nonexistent/model.gguf") { (_, _) throws(ModelFileError) in }
    }
    #expect(error?.kind == "file_unwritable")
    #expect(error?.exitCode == .failure)
  }
}
