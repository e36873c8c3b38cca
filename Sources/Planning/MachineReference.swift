// SPDX-License-Identifier: Apache-2.0
internal import Foundation
package import Hardware
internal import HardwareProbe
internal import JSONText
internal import ModelFiles
internal import Profiles
internal import Quantities

/// The machine that a person means.
package enum MachineReference: Sendable, Equatable {
  case here
  /// `--machine`: a profile file, an inline description or a name of the catalogue.
  case named(String)
  /// `--root`: a recorded machine.
  case recorded(root: String)
}

extension PlanningSession {
  /// The profile of a machine; this one with its newest calibration.
  package func profile(of reference: MachineReference) throws -> HardwareProfile {
    switch reference {
    case .here: return try thisMachine()
    case .recorded(let root): return try HardwareProbe(root: root).profile()
    case .named(let text): return try namedMachine(text)
    }
  }

  private func thisMachine() throws -> HardwareProfile {
    var profile = try HardwareProbe().profile()
    // The table of machines is only worth reading where a device lacks the vendor's figures.
    if profile.accelerators.contains(where: { $0.bandwidth.value == nil }) {
      profile = profile.completed(from: try machines())
    }
    profile.calibration = calibration(of: profile)
    return profile
  }

  private func namedMachine(_ text: String) throws -> HardwareProfile {
    if MachineDescription.looksInline(text) { return try MachineDescription(inline: text).profile }
    guard text.hasSuffix(".json") || text.contains("/") && FileManager.default.fileExists(atPath: text) else {
      return try machines().machine(described: text).profile
    }
    return try Self.profile(inFile: text)
  }

  /// Writes a profile that `--machine` reads elsewhere.
  ///
  /// - Throws: `PlanningError.cannotWrite`; an older file is replaced only when the new one is complete.
  package func save(_ profile: HardwareProfile, to path: String) throws {
    try write(profile.json.text(pretty: true) + "\n", to: path)
  }

  /// Writes a text file, complete or not at all.
  package func write(_ text: String, to path: String) throws {
    do { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
      throw PlanningError.cannotWrite(path: path, reason: error.localizedDescription)
    }
  }

  /// A profile as `anprobe probe --save` writes it.
  static func profile(inFile path: String) throws -> HardwareProfile {
    let bytes = try ProfileLibrary.read(path)
    let json: JSON
    do { json = try JSON(parsing: bytes) } catch { throw ProfileError.invalidJSON(path: path, error) }
    return try HardwareProfile(json: json, file: path)
  }
}
