// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import LanguageModel
import ModelFiles
import Testing

@testable import Inference

/// How a file is mapped that a copy of its matrices lies beside.
@Suite struct FileMappingTests {
  /// Whether the system knows mappings without large pages, and says which they are.
  private static let tellsPages =
    FileManager.default.fileExists(atPath: "/sys/kernel/mm/transparent_hugepage")
    && mappings().contains("VmFlags")

  /// What the system says of each mapping of this process, of a length that is not told before.
  private static func mappings() -> String {
    let file = FileHandle(forReadingAtPath: "/proc/self/smaps")
    return String(decoding: file?.readDataToEndOfFile() ?? Data(), as: UTF8.self)
  }

  /// The addresses of this process that are mapped by single pages ("nh": no huge pages).
  private func mappedByPages() -> [Range<UInt>] {
    var (ranges, current): ([Range<UInt>], Range<UInt>) = ([], 0..<0)
    for line in Self.mappings().split(separator: "\n") {
      let words = line.split(separator: " ")
      let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      if ends.count == 2 { current = ends[0]..<ends[1] }
      if words[0] == "VmFlags:", words.contains("nh") { ranges.append(current) }
    }
    return ranges
  }

  @Test(.enabled(if: tellsPages && KernelSet.best.repacks))
  func `vectors that lie between copied matrices are mapped by pages, and the matrices are not`() throws {
    let kernels = KernelSet.best
    let file = try ModelFile.open(Stories.path("stories260K-f32.gguf"))
    let weights = try #require(file.weights)
    try withPool(2) { pool in
      let copy = try InterleavedWeights.repacking(
        weights, of: file.description.architecture, for: kernels, on: pool)
      #expect(copy is InterleavedWeights)
      let byPages = mappedByPages()
      func isByPages(_ index: Int, at offset: Int = 0) -> Bool {
        let address = UInt(bitPattern: weights.bytes(ofTensor: index).baseAddress) + UInt(offset)
        return byPages.contains { $0.contains(address) }
      }
      let places = weights.inventory.tensors.indices
      let vectors = places.filter { weights.inventory.tensors[$0].isKeptAsFloats }
      #expect(vectors.count == 11)
      #expect(vectors.allSatisfy { isByPages($0) })
      // Of a matrix of some pages the middle is no vector's page.
      let large = places.filter { copy.interleavedRows(ofTensor: $0) > 0 && weights.bytes(ofTensor: $0).count > 16_384 }
      #expect(!large.isEmpty)
      #expect(!large.contains { isByPages($0, at: weights.bytes(ofTensor: $0).count / 2) })
    }
  }
}
