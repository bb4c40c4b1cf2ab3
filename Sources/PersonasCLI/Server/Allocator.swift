import CAllocator
import Foundation

/// How the process gets its memory from the system.
enum Allocator {
    /// Blocks from this size on are taken from the system one by one, and go back as soon as they are freed.
    private static let largeBlockBytes: Int32 = 1_048_576
    /// So much of what is free goes on lying with each group of threads that share a heap, of which there are eight for each processor at most. A
    /// create of three small images takes and frees some 200 KB; were they given back each time, the system had to empty each page anew, and to
    /// stop the other threads, for every one.
    private static let keptBytes: Int32 = 1_048_576

    /// Makes sure that what large bodies and images took goes back to the system.
    ///
    /// By itself glibc learns from the first large block that is freed to keep such blocks: after one create of 42 MB 50 MB stayed, after three at
    /// once 110 MB, and it grows with the number of threads. Setting its threshold once turns the learning off (mallopt(3)).
    static func returnLargeBlocks() {
        #if canImport(Glibc)
            _ = mallopt(M_MMAP_THRESHOLD, largeBlockBytes)
            _ = mallopt(M_TRIM_THRESHOLD, keptBytes)
        #endif
    }

    /// Gives all memory that is free back to the system, small blocks as well. Takes some milliseconds, in which others that allocate may wait.
    static func returnFreeMemory() {
        #if canImport(Glibc)
            _ = malloc_trim(0)
        #endif
    }

    /// Memory of the process that is not swapped out, in bytes; 0 where the system does not tell (proc_pid_statm(5)).
    static var residentBytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
