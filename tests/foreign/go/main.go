// Checks a log with golang.org/x/mod/sumdb: the signature with note, every entry's inclusion and the root with tlog.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

func main() {
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func check(dir string) error {
	vkey, err := os.ReadFile(filepath.Join(dir, "log.vkey"))
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return err
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	// The package reads checkpoints of its own log only, so the origin line is exchanged for its name.
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != verifier.Name() {
		return fmt.Errorf("the key is of %q, the log is %q", verifier.Name(), origin)
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	if err != nil {
		return err
	}
	entries, err := read(dir, tree.N)
	if err != nil {
		return err
	}
	return hash(tree, entries)
}

// read returns the entries of every bundle.
func read(dir string, size int64) ([][]byte, error) {
	var entries [][]byte
	for n := int64(0); n*width < size; n++ {
		path := fmt.Sprintf("%03d", n%1000)
		for rest := n / 1000; rest > 0; rest /= 1000 {
			path = fmt.Sprintf("x%03d/%s", rest%1000, path)
		}
		if left := size - n*width; left < width {
			path += fmt.Sprintf(".p/%d", left)
		}
		bundle, err := os.ReadFile(filepath.Join(dir, "tile/entries", path))
		if err != nil {
			return nil, err
		}
		for len(bundle) >= 2 {
			length := int(binary.BigEndian.Uint16(bundle))
			if len(bundle) < 2+length {
				return nil, fmt.Errorf("%s is cut short", path)
			}
			entries, bundle = append(entries, bundle[2:2+length]), bundle[2+length:]
		}
	}
	return entries, nil
}

// hash rebuilds the tree, compares its root and proves every entry.
func hash(tree tlog.Tree, entries [][]byte) error {
	if int64(len(entries)) != tree.N {
		return fmt.Errorf("%d entries, the checkpoint says %d", len(entries), tree.N)
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for i, entry := range entries {
		more, err := tlog.StoredHashes(int64(i), entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	for i, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(i), reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}
