// SPDX-License-Identifier: Apache-2.0
import JSONText
import LanguageModel
import Profiles
import Quantities
import TestSupport
import Testing

@Suite struct HostileConfigurationTests {
  private static let values: [JSON] = [
    .null, true, "auto", "", 0, 1, 2, 3, -1, 7, 255, 65536, 16_777_216, 16_777_217, 1_099_511_627_776,
    .integer(.max), .integer(.min), 0.5, 1e300, -1e-300, [], [0], [1, 2, 3], ["full_attention"], [[["global"], 9]],
    [:], ["a": 1], .array([JSON](repeating: "mamba", count: 5000)),
  ]

  /// Replaces, removes or duplicates values anywhere in the tree.
  private static func mutate(_ value: JSON, _ random: inout SeededRandom, chance: Double) -> JSON {
    if Double.random(in: 0..<1, using: &random) < chance {
      return values.randomElement(using: &random) ?? .null
    }
    switch value {
    case .object(let members):
      var kept: [JSON.Member] = []
      for member in members where Double.random(in: 0..<1, using: &random) >= chance / 4 {
        kept.append(JSON.Member(member.key, mutate(member.value, &random, chance: chance)))
      }
      return .object(kept)
    case .array(let items):
      // A list of layers is one place to damage, not a hundred.
      let inner = chance / Double(max(1, items.count))
      return .array(items.map { mutate($0, &random, chance: inner) })
    case .integer(let number) where Double.random(in: 0..<1, using: &random) < chance:
      return .integer(number &* Int64.random(in: -2...1_000_000, using: &random))
    default: return value
    }
  }

  @Test(arguments: [UInt64](1...8))
  func `a damaged configuration is described or refused, never fatal`(seed: UInt64) throws {
    let entries = try ModelCatalogue.builtIn().entries
    var random = SeededRandom(seed: seed)
    var refused = 0
    for round in 0..<250 {
      let entry = entries[Int.random(in: 0..<entries.count, using: &random)]
      let chance = [0.01, 0.05, 0.15][round % 3]
      let configuration = Self.mutate(entry.configuration, &random, chance: chance)
      do throws(ConfigurationError) {
        let description = try LanguageModelDescription(
          configuration: configuration, name: "mutant", provenance: .configuration(path: "mutant.json"))
        #expect(description.parametersTotal > 0)
        #expect(description.parametersActive <= description.parametersTotal)
        #expect(description.architecture.cacheElements(tokens: 4096) >= 0)
        #expect(description.architecture.stateElements >= 0)
        #expect(description.inventory.bytes.bytes > 0)
      } catch {
        #expect(error.message.contains("config.json"))
        refused += 1
      }
    }
    #expect(refused > 20)
  }
}
