// Package submission takes the hashes that people send of their own pictures,
// so that these are found when someone posts them.
//
// What is sent becomes a case: a number to name it by, and words that withdraw
// it. An [Inbox] keeps cases in a folder of its own; a separate step reads
// [Inbox.Waiting] and brings their hashes to a list. The package holds no list
// and can search none, so what a person is answered can't depend on whether a
// hash is known.
//
// Nothing is kept that identifies a person: no address, no name, no text. Who
// holds the folder learns the number of a case and its age group, and the hashes
// only until they are on the list.
package submission
