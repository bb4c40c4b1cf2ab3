/// Tells one life of a database from every other.
///
/// A backup that is put in the place of newer data counts versions anew that were counted before, of other content. Whatever a client was given to
/// compare versions by must not be mistaken for one of these, so it is made of the epoch as well.
package protocol EpochStore: Sendable {
    /// A random value that a database gets when it is made, and another when it is restored; answered from memory, because every read asks.
    var epoch: RandomToken { get }
}
