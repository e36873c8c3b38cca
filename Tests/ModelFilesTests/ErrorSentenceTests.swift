// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Quantities
import Testing

@testable import ModelFiles

@Suite struct `What is wrong with a model file` {
  private func error(_ body: () throws -> Void) -> ModelFileError? {
    do { try body() } catch let error as ModelFileError { return error } catch {}
    return nil
  }

  private func message(_ bytes: [UInt8]) -> String? { error { _ = try readHeader(bytes) }?.message }

  /// A header of version 3 with these counts and whatever follows.
  private func header(tensors: UInt64 = 0, pairs: UInt64 = 0, _ rest: [UInt8] = []) -> [UInt8] {
    func bytes(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
    return Array("GGUF".utf8) + [3, 0, 0, 0] + bytes(tensors) + bytes(pairs) + rest
  }

  private func text(_ string: String) -> [UInt8] {
    withUnsafeBytes(of: UInt64(string.utf8.count).littleEndian, Array.init) + Array(string.utf8)
  }

  private func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
  private func long(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }

  /// The entry of a tensor.
  private func entry(
    _ name: String = "w", _ dimensions: [UInt64] = [32], type: UInt32 = 0, offset: UInt64 = 0
  ) -> [UInt8] {
    text(name) + number(UInt32(dimensions.count)) + dimensions.flatMap(long) + number(type) + long(offset)
  }

  @Test func `the magic number and the version are explained`() {
    #expect(
      message(Array("PK\u{3}\u{4} zip".utf8))
        == "Cannot read 'model.gguf' at byte 0: expected 'GGUF', found the bytes 50 4b 03 04.")
    #expect(
      message(Array("GGUF".utf8) + number(1))
        == "Cannot read 'model.gguf' at byte 4: the format version is 1; versions 2 to 3 can be read.")
    #expect(
      message(Array("GGUF".utf8) + [0, 0, 0, 3]) == "Cannot read 'model.gguf' at byte 4: the file is big-endian.")
    #expect(
      message(Array("GGUF".utf8))
        == "Cannot read 'model.gguf' at byte 4: the format version needs 4 bytes, but only 0 remain in the file.")
  }

  @Test func `counts that the file cannot hold are refused before anything is allocated`() {
    #expect(
      message(header(tensors: 1 << 60))
        == "Cannot read 'model.gguf' at byte 8: the file states 1152921504606846976 tensors, but has room for at most 0."
    )
    #expect(
      message(header(pairs: .max))
        == "Cannot read 'model.gguf' at byte 16: the file states 18446744073709551615 metadata entries, but has room for at most 0."
    )
    #expect(
      message(header(pairs: 1, text("tokens") + number(9) + number(8) + long(1 << 40)))
        == "Cannot read 'model.gguf' at key 'tokens' (byte 46): the file states 1099511627776 array elements, but has room for at most 0."
    )
    #expect(
      message(header(pairs: 1, text("k") + number(8) + long(.max)))
        == "Cannot read 'model.gguf' at byte 45: a metadata string needs 18446744073709551615 bytes, but only 0 remain in the file."
    )
  }

  @Test func `unknown types are named with their number`() {
    #expect(
      message(header(pairs: 1, text("k") + number(13) + long(0)))
        == "Cannot read 'model.gguf' at key 'k' (byte 33): the metadata value type 13 is unknown (known are 0 to 12).")
    #expect(
      message(header(tensors: 1, entry(type: 77)))
        == "Cannot read 'model.gguf' at tensor 'w' (byte 24): the tensor type 77 is unknown.")
  }

  @Test func `what contradicts a tensor's shape or place is named`() {
    let cases: [([UInt8], String)] = [
      (entry("w", [1, 2, 3, 4, 5]), "it has 5 dimensions; expected at most 4"),
      (entry("w", [0]), "it has a dimension of 0; expected 1 or more"),
      (entry("w", [33], type: 8), "its rows have 33 elements, which is no multiple of the 32 of a block of q8_0"),
      (entry("w", [1 << 40, 1 << 40]), "the product of its dimensions exceeds 2^63"),
      (entry(offset: 3), "its data starts at 3, which is no multiple of the alignment 32"),
      (entry(offset: 1 << 62), "its 128 bytes from 4611686018427387968 end beyond the file, which has 256 bytes"),
    ]
    for (bytes, reason) in cases {
      let file = header(tensors: 1, bytes)
      let padded = file + [UInt8](repeating: 0, count: 256 - file.count)
      #expect(message(padded) == "Cannot read 'model.gguf' at tensor 'w' (byte 24): \(reason).")
    }
  }

  @Test func `doubled names and shared bytes are refused`() {
    let twice = header(tensors: 2, entry("w") + entry("w", offset: 128))
    #expect(
      message(twice + [UInt8](repeating: 0, count: 512))
        == "Cannot read 'model.gguf' at tensor 'w' (byte 57): the name appears twice.")
    let shared = header(tensors: 2, entry("a") + entry("b", offset: 96))
    #expect(
      message(shared + [UInt8](repeating: 0, count: 512))
        == "Cannot read 'model.gguf' at tensor 'b' (byte 57): its data overlaps that of 'a'.")
    let pair = text("k") + number(0) + [1]
    #expect(
      message(header(pairs: 2, pair + pair))
        == "Cannot read 'model.gguf' at key 'k' (byte 38): the key appears twice.")
  }

  @Test func `a missing file, a folder and a stranger are told apart`() throws {
    let folder = try TemporaryFolder()
    let missing = error { _ = try ModelFile.open(folder.path + "/none.gguf") }
    #expect(missing?.message == "Cannot open '\(folder.path)/none.gguf': no such file or directory.")
    #expect(missing?.remedy == "Check the path.")
    #expect(
      error { _ = try ModelFile.open(folder.path) }?.message
        == "Cannot find a model in '\(folder.path)': the folder has no config.json.")
    let stranger = try folder.write("hello", "model.bin")
    #expect(
      error { _ = try ModelFile.open(stranger) }?.message
        == "Cannot read '\(stranger)' at byte 0: expected 'GGUF', or a name that ends in .safetensors or .json, found the bytes 68 65 6c 6c."
    )
    let empty = try folder.write("", "empty.gguf")
    #expect(
      error { _ = try GGUFFile(path: empty) }?.message
        == "Cannot read '\(empty)' at byte 0: the magic number needs 4 bytes, but only 0 remain in the file.")
    #expect(error { _ = try MappedFile(path: "/dev/null") }?.kind == "not_a_model")
  }

  @Test func `safetensors complaints name the tensor`() {
    func message(_ header: String, dataBytes: Int = 8) -> String? {
      error { _ = try readSafetensors(safetensorsFile(header, dataBytes: dataBytes)) }?.message
    }
    let prefix = "Cannot read 'model.safetensors' at"
    let bomb = error { _ = try readSafetensors([UInt8](repeating: 0xFF, count: 64)) }
    #expect(bomb?.message == "\(prefix) byte 0: the header has 18446744073709551615 bytes; at most 16777216 are read.")
    #expect(message("[]") == "\(prefix) byte 8: found a list; expected a JSON object of tensors.")
    #expect(message("{\"a\":") == "\(prefix) byte 13: the JSON text ends too early.")
    #expect(
      message(#"{"a":{"dtype":"F9","shape":[],"data_offsets":[0,1]}}"#)
        == "\(prefix) tensor 'a': the element type 'F9' is unknown.")
    #expect(
      message(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#)
        == "\(prefix) tensor 'a': it has 8 bytes; its shape and type need 12.")
    #expect(
      message(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#)
        == "\(prefix) tensor 'a': its 12 bytes from 63 end beyond the file, which has 71 bytes.")
    #expect(
      message(
        #"{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}}"#)
        == "\(prefix) tensor 'b': its data overlaps that of 'a'.")
    #expect(
      message(#"{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}}"#)
        == "\(prefix) tensor 'a': the product of its dimensions exceeds 2^63.")
  }

  @Test func `a configuration's complaint keeps its own words`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(#"{"model_type":"llama"}"#, "config.json")
    let found = error { _ = try ModelFile.open(path) }
    #expect(found?.kind == "configuration_key_missing")
    #expect(found?.message.contains("'\(path)'") == true)
  }
}
