// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

extension Accelerator.Kind: CaseIterable {
  package static var allCases: [Self] { [.gpu, .integratedGPU, .npu] }
}

extension Accelerator {
  package var json: JSON {
    .object(present: [
      ("name", .string(name)), ("vendor", .string(vendor)), ("kind", .string(kind.rawValue)),
      ("memoryTotalBytes", memoryTotal.plainJSON), ("memoryFreeBytes", memoryFree.plainJSON),
      ("unifiedMemory", .bool(hasUnifiedMemory)), ("bandwidthBytesPerSecond", bandwidth.json), ("peaks", peaks.json),
      ("power", power.json), ("memoryTechnology", JSON(memoryTechnology)),
      ("computeCapability", JSON(computeCapability)), ("links", links.json), ("source", .string(source)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      name: try reader.required("name").string(), vendor: try reader.required("vendor").string(),
      kind: try reader.required("kind").word(Kind.self),
      memoryTotal: try reader.known("memoryTotalBytes", absent: "not given in the profile"),
      memoryFree: try reader.known("memoryFreeBytes", absent: "not given in the profile"),
      hasUnifiedMemory: try reader.optional("unifiedMemory")?.bool() ?? false,
      bandwidth: try reader.known("bandwidthBytesPerSecond", absent: "not in the machine table"),
      memoryTechnology: try reader.optional("memoryTechnology")?.string(),
      computeCapability: try reader.optional("computeCapability")?.string(),
      source: try reader.optional("source")?.string() ?? "profile")
    if let reader = reader.optional("peaks") { peaks = try PeakRates(reading: reader) }
    if let reader = reader.optional("power") { power = try PowerFigures(reading: reader) }
    if let reader = reader.optional("links") { links = try DeviceLinks(reading: reader) }
  }
}

extension DeviceLinks {
  var json: JSON {
    .object(present: [("hostBytesPerSecond", host.json), ("peerBytesPerSecond", peer.json)])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      host: try reader.known("hostBytesPerSecond", absent: "nobody tells how the device is joined to its host"),
      peer: try reader.known("peerBytesPerSecond", absent: "no direct link between devices is known"))
  }
}

extension PowerSensor.Kind: CaseIterable {
  package static var allCases: [Self] { [.rapl, .perf, .msr, .hwmon, .battery, .nvml] }
}

extension PowerSensor {
  package var json: JSON {
    .object(present: [
      ("kind", .string(kind.rawValue)), ("domain", .string(domain)), ("path", .string(path)),
      ("readable", .bool(isReadable)), ("reason", .string(reason)),
      ("counterRangeJoules", JSON(counterRange?.joules)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      kind: try reader.required("kind").word(Kind.self), domain: try reader.required("domain").string(),
      path: try reader.required("path").string(), isReadable: try reader.required("readable").bool(),
      reason: try reader.optional("reason")?.string() ?? "")
    if let range = reader.optional("counterRangeJoules") { counterRange = Energy(joules: try range.double()) }
  }
}

extension PowerFigures {
  var json: JSON { .object(present: [("thermalDesignWatts", thermalDesign.json), ("idleWatts", idle.json)]) }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      thermalDesign: try reader.known("thermalDesignWatts", absent: "no vendor figure for this machine"),
      idle: try reader.known("idleWatts", absent: "no figure for this machine"))
  }
}
