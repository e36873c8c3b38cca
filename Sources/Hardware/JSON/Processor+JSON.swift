// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

extension Processor {
  package var json: JSON {
    .object(present: [
      ("architecture", .string(architecture)), ("vendor", JSON(vendor)), ("model", JSON(model)),
      ("packageCount", JSON(packageCount)), ("dieCount", JSON(dieCount)), ("coreCount", JSON(coreCount)),
      ("coreAssumption", JSON(coreAssumption)),
      ("processingUnitCount", JSON(processingUnitCount)), ("usableThreads", JSON(usableThreads)),
      ("coreKinds", .array(coreKinds.map(\.json))), ("caches", .array(caches.map(\.json))),
      ("instructionSets", .array(instructionSets.map(\.json))), ("limits", limits.json), ("peaks", peaks.json),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      architecture: try reader.required("architecture").string(), vendor: try reader.optional("vendor")?.string(),
      model: try reader.optional("model")?.string(), packageCount: try reader.required("packageCount").int(atLeast: 1),
      dieCount: try reader.required("dieCount").int(atLeast: 1),
      coreCount: try reader.required("coreCount").int(atLeast: 1),
      processingUnitCount: try reader.required("processingUnitCount").int(atLeast: 1))
    coreAssumption = try reader.optional("coreAssumption")?.string()
    for kind in try reader.list("coreKinds") { coreKinds.append(try CoreKind(reading: kind)) }
    for cache in try reader.list("caches") { caches.append(try CacheLevel(reading: cache)) }
    for set in try reader.list("instructionSets") { instructionSets.append(try InstructionSet(reading: set)) }
    if let reader = reader.optional("limits") { limits = try ProcessorLimits(reading: reader) }
    if let reader = reader.optional("peaks") { peaks = try PeakRates(reading: reader) }
  }
}

extension CoreKind {
  var json: JSON {
    .object(present: [
      ("name", .string(name)), ("coreCount", JSON(coreCount)), ("processingUnitCount", JSON(processingUnitCount)),
      ("maximumHertz", JSON(maximumHertz)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      name: try reader.required("name").string(), coreCount: try reader.required("coreCount").int(),
      processingUnitCount: try reader.required("processingUnitCount").int(),
      maximumHertz: try reader.optional("maximumHertz")?.double())
  }
}

extension CacheLevel.Kind: CaseIterable {
  package static var allCases: [Self] { [.data, .instruction, .unified] }
}

extension CacheLevel {
  var json: JSON {
    .object(present: [
      ("level", JSON(level)), ("kind", .string(kind.rawValue)), ("sizeBytes", JSON(size)),
      ("lineBytes", JSON(lineSize)), ("sharedByProcessingUnits", JSON(sharedByProcessingUnits)),
      ("count", JSON(count)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      level: try reader.required("level").int(atLeast: 1), kind: try reader.required("kind").word(Kind.self),
      size: try reader.required("sizeBytes").bytes(), lineSize: try reader.optional("lineBytes")?.bytes(),
      sharedByProcessingUnits: try reader.required("sharedByProcessingUnits").int(atLeast: 1),
      count: try reader.optional("count")?.int(atLeast: 1) ?? 1)
  }
}

extension InstructionSet {
  var json: JSON {
    .object(present: [
      ("name", .string(name)), ("present", .bool(isPresent)), ("worthUsing", .bool(isWorthUsing)),
      ("reason", .string(reason)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    let isPresent = try reader.required("present").bool()
    self.init(
      name: try reader.required("name").string(), isPresent: isPresent,
      isWorthUsing: try reader.optional("worthUsing")?.bool() ?? isPresent,
      reason: try reader.optional("reason")?.string() ?? "")
  }
}

extension ProcessorLimits {
  var json: JSON {
    .object(present: [
      ("quotaProcessors", JSON(quotaProcessors)), ("quotaSource", JSON(quotaSource)),
      ("affinityCount", JSON(affinityCount)), ("cpusetCount", JSON(cpusetCount)), ("offlineCount", JSON(offlineCount)),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      quotaProcessors: try reader.optional("quotaProcessors")?.double(),
      quotaSource: try reader.optional("quotaSource")?.string(),
      affinityCount: try reader.optional("affinityCount")?.int(),
      cpusetCount: try reader.optional("cpusetCount")?.int(),
      offlineCount: try reader.optional("offlineCount")?.int() ?? 0)
  }
}

extension PeakRates {
  var json: JSON {
    .object(present: [
      ("float32OperationsPerSecond", float32.json), ("float16OperationsPerSecond", float16.json),
      ("int8OperationsPerSecond", int8.json),
    ])
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    let absent = "no vendor figure for this machine"
    self.init(
      float32: try reader.known("float32OperationsPerSecond", absent: absent),
      float16: try reader.known("float16OperationsPerSecond", absent: absent),
      int8: try reader.known("int8OperationsPerSecond", absent: absent))
  }
}
