// SPDX-License-Identifier: Apache-2.0

/// The metadata of a model file by key, whatever the file's own number types are.
///
/// Each call gives nil when the key is absent, has another kind, or does not fit (an unsigned 64-bit number beyond
/// `Int`): the reader of the file has complained about damage before.
package protocol MetadataLookup {
  /// A whole number: any integer type of the file, or a float without fraction.
  func integer(_ key: String) -> Int?
  /// A number: any integer or float type of the file.
  func number(_ key: String) -> Double?
  func string(_ key: String) -> String?
  func flag(_ key: String) -> Bool?
  /// An array of whole numbers; an array of truth values gives 0 and 1.
  func integers(_ key: String) -> [Int]?
  /// The number of elements of any array (of `tokenizer.ggml.tokens`, without reading the strings).
  func arrayCount(_ key: String) -> Int?
}
