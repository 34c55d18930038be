//! The same check with programs that are not ours, as commands to copy.

/// What to run on the folder at the absolute `path` instead of, or beside, our own verification.
pub fn independent(path: &str) -> String {
    let log = format!("'{}'", path.replace('\'', r"'\''"));
    format!(
        r#"Check it without forgetd:
  # signature, with OpenSSL 3 and a shell
  ( cd {log} && t=$(mktemp -d) && sed '/^$/,$d' checkpoint > $t/text \
    && tail -n 1 checkpoint | cut -d' ' -f3 | base64 -d | tail -c 64 > $t/sig \
    && {{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cut -d+ -f3- log.vkey | base64 -d | tail -c 32; }} > $t/key \
    && openssl pkeyutl -verify -pubin -keyform DER -inkey $t/key -rawin -in $t/text -sigfile $t/sig )
  # signature, entries, tiles and root, with Go and Tessera: right only if it says `Successfully fsck'd`
  go install github.com/transparency-dev/tessera/cmd/fsck@v1.0.4
  timeout 300 "$(go env GOPATH)"/bin/fsck --ui=false --N=64 --storage_url=file://{log}/ --public_key={log}/log.vkey
  # the root from the entries, with Python and pymerkle
  pip install pymerkle && python3 - {log} <<'END'
import base64, pathlib, sys
from pymerkle import InmemoryTree
log = pathlib.Path(sys.argv[1]); origin, size, root = (log / 'checkpoint').read_text().split('\n')[:3]
path = lambda n: '/'.join(['x%03d' % (n // 1000 ** i % 1000) for i in range(6, 0, -1) if n >= 1000 ** i] + ['%03d' % (n % 1000)])
tree, size = InmemoryTree(algorithm='sha256'), int(size)
for n in range((size + 255) // 256):
    width = min(256, size - n * 256); data = (log / ('tile/entries/' + path(n) + ('' if width == 256 else '.p/%d' % width))).read_bytes()
    while data: length = int.from_bytes(data[:2], 'big'); tree.append_entry(data[2:2 + length]); data = data[2 + length:]
print('ok' if tree.get_state() == base64.b64decode(root) else 'WRONG ROOT')
END"#
    )
}
