// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Quantities
import Testing

@testable import ModelFiles

@Suite struct `A model in several GGUF files` {
  private func part(_ number: Int, of count: Int, stated: UInt16? = nil, tensor: String? = nil) -> [UInt8] {
    var writer = GGUFWriter()
    if number == 1 { writer.set("general.architecture", .string("llama")) }
    writer.set("split.count", .uint16(stated ?? UInt16(count)))
    writer.add(tensor: tensor ?? "blk.\(number - 1).ffn_up.weight", dimensions: [32, number], format: .q8_0)
    return writer.bytes { [UInt8](repeating: UInt8(number), count: writer.tensors[$0].byteCount) }
  }

  @Test func `is one list of tensors, found from any part`() throws {
    let folder = try TemporaryFolder()
    for number in 1...3 { try folder.write(part(number, of: 3), "m-0000\(number)-of-00003.gguf") }
    let shards = try GGUFShards(first: try GGUFFile(path: folder.path + "/m-00002-of-00003.gguf"))
    #expect(shards.inventory.tensors.map(\.layer) == [0, 1, 2])
    #expect(shards.inventory.tensors.map(\.rows) == [1, 2, 3])
    #expect(shards.files[0].header.metadata.string("general.architecture") == "llama")
    for index in 0..<3 {
      let bytes = shards.bytes(ofTensor: index)
      #expect(ByteCount(bytes.count) == shards.inventory.tensors[index].bytes)
      #expect(bytes.allSatisfy { $0 == UInt8(index + 1) })
    }
  }

  private func failure(_ path: String) -> ModelFileError? {
    do throws(ModelFileError) {
      _ = try GGUFShards(first: try GGUFFile(path: path))
      return nil
    } catch { return error }
  }

  @Test func `misses no part silently`() throws {
    let folder = try TemporaryFolder()
    let first = try folder.write(part(1, of: 2), "m-00001-of-00002.gguf")
    #expect(
      failure(first)?.message
        == "Cannot read '\(first)' at key 'split.count': it is missing; expected the part '\(folder.path)/m-00002-of-00002.gguf' beside it."
    )
    try folder.write(part(2, of: 2, tensor: "blk.0.ffn_up.weight"), "m-00002-of-00002.gguf")
    #expect(failure(first)?.message.contains("tensor 'blk.0.ffn_up.weight': the tensor appears twice") == true)
    let renamed = try folder.write(part(1, of: 2), "m.gguf")
    #expect(failure(renamed)?.message.contains("'-00001-of-00002.gguf'") == true)
    let zero = try folder.write(part(1, of: 2, stated: 0), "n-00001-of-00002.gguf")
    #expect(failure(zero)?.message.contains("found 0; expected a number from 1 to 4096") == true)
  }

  @Test func `part names are taken apart and put together`() {
    #expect(SplitName("/a/q-4-00002-of-00012.gguf")?.path(of: 7) == "/a/q-4-00007-of-00012.gguf")
    #expect(SplitName("model.gguf") == nil)
    #expect(SplitName("m-2-of-3.gguf") == nil)
  }
}
