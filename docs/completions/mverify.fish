# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mverify_global_optspecs
    string join \n files-from= 0/null torch= profile= require= sha256= lock= diff= manifest= key= ca= subject= san= identity= issuer= trusted-root= allow-symlinks allow-legacy fail-on= strict-perms config= no-config baseline= exit-zero format= o/output= digest= threads= drop-cache q/quiet v/verbose color= max-file-bytes= max-entries= max-depth= max-header-bytes= max-decompressed-bytes= max-ratio= max-ops= timeout= h/help V/version
end

function __fish_mverify_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mverify_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mverify_using_subcommand
    set -l cmd (__fish_mverify_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mverify -n "__fish_mverify_needs_command" -l files-from -d 'Read more paths from FILE (`-`: standard input), one per line' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l torch -d 'Answer the weights_only question for this torch version; repeatable (default: the newest known)' -r
complete -c mverify -n "__fish_mverify_needs_command" -l profile -d 'Ask what this framework\'s loader takes, with what it trusts beyond torch\'s list: accelerate, transformers-trainer, timm, deepspeed; repeatable, each has its own answer' -r
complete -c mverify -n "__fish_mverify_needs_command" -l require -d 'Demand a proof, or fail: weights-only, weights-only>=VERSION, signature, manifest' -r
complete -c mverify -n "__fish_mverify_needs_command" -l sha256 -d 'The SHA-256 that the file must have' -r
complete -c mverify -n "__fish_mverify_needs_command" -l lock -d 'A lock that the paths must match: nothing that loaders act on added, missing or changed; repeatable' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l diff -d 'Check only what changed in the git working tree since this revision: what was committed, staged or edited, and untracked files. Lists, locks and signed manifests hold for everything: what they miss, or do not list, fails all the same, and where they changed, all that they cover is checked. PATH is `.` by default' -r
complete -c mverify -n "__fish_mverify_needs_command" -l manifest -d 'The signed manifest, as in model.sig (default: the one found beside or inside the model)' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l key -d 'Trust this public key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l ca -d 'Trust signers with a certificate that leads to one of these (PEM); repeatable' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l subject -d 'The signer\'s certificate must have this subject: the common name, or all of it as in CN=x,O=y' -r
complete -c mverify -n "__fish_mverify_needs_command" -l san -d 'The signer\'s certificate must have this e-mail address, URI or DNS name' -r
complete -c mverify -n "__fish_mverify_needs_command" -l identity -d 'Trust this identity, vouched for by --issuer (keyless signatures)' -r
complete -c mverify -n "__fish_mverify_needs_command" -l issuer -d 'Who vouches for --identity' -r
complete -c mverify -n "__fish_mverify_needs_command" -l trusted-root -d 'Root of trust for keyless signatures: trusted_root.json (default: the public good instance\'s, built in)' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l fail-on -d 'Lowest severity that makes a file bad (default: high)' -r
complete -c mverify -n "__fish_mverify_needs_command" -l config -d 'A policy file to trust (default: mverify.toml in the user\'s configuration folder)' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l baseline -d 'An earlier report (--format json): findings it told do not fail again. What is not proven stays so, and a changed file that loaders load is new' -r -F
complete -c mverify -n "__fish_mverify_needs_command" -l format -d 'Output format on standard output' -r -f -a "text\t'For people'
json\t'One JSON document (mverify.report/v1)'
jsonl\t'One JSON object per file as it is done, the summary last'
sarif\t'SARIF 2.1.0, for code scanning'
junit\t'JUnit XML: a test case per file'
github\t'Annotations of GitHub Actions, for standard output of a workflow step'
markdown\t'A summary table, as for $GITHUB_STEP_SUMMARY'"
complete -c mverify -n "__fish_mverify_needs_command" -s o -l output -d 'Also write a report to FILE; FORMAT:FILE chooses its format (default: json); repeatable' -r
complete -c mverify -n "__fish_mverify_needs_command" -l digest -d 'Digests to compute besides sha256; repeatable or comma-separated' -r
complete -c mverify -n "__fish_mverify_needs_command" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_needs_command" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_needs_command" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_needs_command" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_needs_command" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_needs_command" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_needs_command" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_needs_command" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_needs_command" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_needs_command" -s 0 -l null -d 'Paths in --files-from end with NUL instead of a newline'
complete -c mverify -n "__fish_mverify_needs_command" -l allow-symlinks -d 'Follow links to files inside the model, where it was signed with links'
complete -c mverify -n "__fish_mverify_needs_command" -l allow-legacy -d 'Read signatures of before version 1.0 too'
complete -c mverify -n "__fish_mverify_needs_command" -l strict-perms -d 'Fail on files and directories that group or others can write to, or that somebody else owns'
complete -c mverify -n "__fish_mverify_needs_command" -l no-config -d 'Read no policy file but that of --config'
complete -c mverify -n "__fish_mverify_needs_command" -l exit-zero -d 'Exit 0 also where a file is proven bad (never where something is not proven)'
complete -c mverify -n "__fish_mverify_needs_command" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_needs_command" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_needs_command" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mverify -n "__fish_mverify_needs_command" -s V -l version -d 'Print version'
complete -c mverify -n "__fish_mverify_needs_command" -a "check" -d 'Identify, check structure, scan, hash and compare with what is expected: one verdict per file'
complete -c mverify -n "__fish_mverify_needs_command" -a "scan" -d 'Only: can loading it run code? (check without hashing)'
complete -c mverify -n "__fish_mverify_needs_command" -a "hash" -d 'Print or check digests, as sha256sum and b3sum do'
complete -c mverify -n "__fish_mverify_needs_command" -a "verify" -d 'Hold a model against a signed manifest (OpenSSF Model Signing)'
complete -c mverify -n "__fish_mverify_needs_command" -a "sign" -d 'Sign a model (OpenSSF Model Signing)'
complete -c mverify -n "__fish_mverify_needs_command" -a "keygen" -d 'Make a key to sign with'
complete -c mverify -n "__fish_mverify_needs_command" -a "lock" -d 'Pin what a directory holds, in a file to review and to keep in git'
complete -c mverify -n "__fish_mverify_needs_command" -a "cas" -d 'Recompute the name of every object of a content-addressed store'
complete -c mverify -n "__fish_mverify_needs_command" -a "diff" -d 'What changed between two models: files, tensors, configuration, templates, what loading can do; nothing is loaded'
complete -c mverify -n "__fish_mverify_needs_command" -a "policy" -d 'Which policy applies to a path, and why'
complete -c mverify -n "__fish_mverify_needs_command" -a "inspect" -d 'Show what is inside: members, tensors, globals, and what vouches for it; nothing is loaded'
complete -c mverify -n "__fish_mverify_needs_command" -a "explain" -d 'What a rule means, why it matters, what to do'
complete -c mverify -n "__fish_mverify_needs_command" -a "completions" -d 'Print a completion script for a shell'
complete -c mverify -n "__fish_mverify_needs_command" -a "man" -d 'Print the manual page of mverify, or of one of its commands'
complete -c mverify -n "__fish_mverify_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l files-from -d 'Read more paths from FILE (`-`: standard input), one per line' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l torch -d 'Answer the weights_only question for this torch version; repeatable (default: the newest known)' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l profile -d 'Ask what this framework\'s loader takes, with what it trusts beyond torch\'s list: accelerate, transformers-trainer, timm, deepspeed; repeatable, each has its own answer' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l require -d 'Demand a proof, or fail: weights-only, weights-only>=VERSION, signature, manifest' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l sha256 -d 'The SHA-256 that the file must have' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l lock -d 'A lock that the paths must match: nothing that loaders act on added, missing or changed; repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l diff -d 'Check only what changed in the git working tree since this revision: what was committed, staged or edited, and untracked files. Lists, locks and signed manifests hold for everything: what they miss, or do not list, fails all the same, and where they changed, all that they cover is checked. PATH is `.` by default' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l manifest -d 'The signed manifest, as in model.sig (default: the one found beside or inside the model)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l key -d 'Trust this public key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l ca -d 'Trust signers with a certificate that leads to one of these (PEM); repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l subject -d 'The signer\'s certificate must have this subject: the common name, or all of it as in CN=x,O=y' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l san -d 'The signer\'s certificate must have this e-mail address, URI or DNS name' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l identity -d 'Trust this identity, vouched for by --issuer (keyless signatures)' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l issuer -d 'Who vouches for --identity' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l trusted-root -d 'Root of trust for keyless signatures: trusted_root.json (default: the public good instance\'s, built in)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l fail-on -d 'Lowest severity that makes a file bad (default: high)' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l config -d 'A policy file to trust (default: mverify.toml in the user\'s configuration folder)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l baseline -d 'An earlier report (--format json): findings it told do not fail again. What is not proven stays so, and a changed file that loaders load is new' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand check" -l format -d 'Output format on standard output' -r -f -a "text\t'For people'
json\t'One JSON document (mverify.report/v1)'
jsonl\t'One JSON object per file as it is done, the summary last'
sarif\t'SARIF 2.1.0, for code scanning'
junit\t'JUnit XML: a test case per file'
github\t'Annotations of GitHub Actions, for standard output of a workflow step'
markdown\t'A summary table, as for $GITHUB_STEP_SUMMARY'"
complete -c mverify -n "__fish_mverify_using_subcommand check" -s o -l output -d 'Also write a report to FILE; FORMAT:FILE chooses its format (default: json); repeatable' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l digest -d 'Digests to compute besides sha256; repeatable or comma-separated' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand check" -s 0 -l null -d 'Paths in --files-from end with NUL instead of a newline'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l allow-symlinks -d 'Follow links to files inside the model, where it was signed with links'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l allow-legacy -d 'Read signatures of before version 1.0 too'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l strict-perms -d 'Fail on files and directories that group or others can write to, or that somebody else owns'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l no-config -d 'Read no policy file but that of --config'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l exit-zero -d 'Exit 0 also where a file is proven bad (never where something is not proven)'
complete -c mverify -n "__fish_mverify_using_subcommand check" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand check" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand check" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l files-from -d 'Read more paths from FILE (`-`: standard input), one per line' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l torch -d 'Answer the weights_only question for this torch version; repeatable (default: the newest known)' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l profile -d 'Ask what this framework\'s loader takes, with what it trusts beyond torch\'s list: accelerate, transformers-trainer, timm, deepspeed; repeatable, each has its own answer' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l require -d 'Demand a proof, or fail: weights-only, weights-only>=VERSION, signature, manifest' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l sha256 -d 'The SHA-256 that the file must have' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l lock -d 'A lock that the paths must match: nothing that loaders act on added, missing or changed; repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l diff -d 'Check only what changed in the git working tree since this revision: what was committed, staged or edited, and untracked files. Lists, locks and signed manifests hold for everything: what they miss, or do not list, fails all the same, and where they changed, all that they cover is checked. PATH is `.` by default' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l manifest -d 'The signed manifest, as in model.sig (default: the one found beside or inside the model)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l key -d 'Trust this public key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l ca -d 'Trust signers with a certificate that leads to one of these (PEM); repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l subject -d 'The signer\'s certificate must have this subject: the common name, or all of it as in CN=x,O=y' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l san -d 'The signer\'s certificate must have this e-mail address, URI or DNS name' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l identity -d 'Trust this identity, vouched for by --issuer (keyless signatures)' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l issuer -d 'Who vouches for --identity' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l trusted-root -d 'Root of trust for keyless signatures: trusted_root.json (default: the public good instance\'s, built in)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l fail-on -d 'Lowest severity that makes a file bad (default: high)' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l config -d 'A policy file to trust (default: mverify.toml in the user\'s configuration folder)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l baseline -d 'An earlier report (--format json): findings it told do not fail again. What is not proven stays so, and a changed file that loaders load is new' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l format -d 'Output format on standard output' -r -f -a "text\t'For people'
json\t'One JSON document (mverify.report/v1)'
jsonl\t'One JSON object per file as it is done, the summary last'
sarif\t'SARIF 2.1.0, for code scanning'
junit\t'JUnit XML: a test case per file'
github\t'Annotations of GitHub Actions, for standard output of a workflow step'
markdown\t'A summary table, as for $GITHUB_STEP_SUMMARY'"
complete -c mverify -n "__fish_mverify_using_subcommand scan" -s o -l output -d 'Also write a report to FILE; FORMAT:FILE chooses its format (default: json); repeatable' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l digest -d 'Digests to compute besides sha256; repeatable or comma-separated' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand scan" -s 0 -l null -d 'Paths in --files-from end with NUL instead of a newline'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l allow-symlinks -d 'Follow links to files inside the model, where it was signed with links'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l allow-legacy -d 'Read signatures of before version 1.0 too'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l strict-perms -d 'Fail on files and directories that group or others can write to, or that somebody else owns'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l no-config -d 'Read no policy file but that of --config'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l exit-zero -d 'Exit 0 also where a file is proven bad (never where something is not proven)'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s a -l algorithm -d 'Algorithms, comma-separated (default: sha256; with --check: what each line says): sha256, sha512, blake3, blake2b-512, sha1-git, md5' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s c -l check -d 'Check the digests listed in FILE instead of printing digests; repeatable. As with sha256sum the lists may also stand where paths do, and without any the list is read from standard input' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l through -d 'Also hash what is inside, in the same read: gzip, zlib, bzip2, xz, lzma, lz4 or zstd, tar for each file of an archive, or both, as in gzip,tar. With --check, PATH names the files to look into, and the list may name them, what they decompress to, and the files of archives. Streams that are cut off or followed by other bytes, links, names that are unsafe or stand for one file twice, and limits that are reached: exit 3, and the reason' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l outboard -d 'Write FILE.obao beside each file: the BLAKE3 outboard (Bao, groups of 16 KiB, 1/256 of the file) with which `mverify verify --tensor` proves parts of a file signed with --hash blake3. Prints BLAKE3 digests'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l tag -d 'Print lines in BSD style: ALGORITHM (NAME) = DIGEST'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l json -d 'Print JSON'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s z -l zero -d 'End lines with NUL and do not escape names'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l ignore-missing -d 'With --check: listed files that are not there are no failure'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l strict -d 'With --check: malformed lines are a failure'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l status -d 'With --check: print nothing, the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s w -l warn -d 'With --check: warn about each malformed line'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand hash" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l manifest -d 'The signed manifest, as in model.sig (default: the one found beside or inside the model)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l key -d 'Trust this public key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l ca -d 'Trust signers with a certificate that leads to one of these (PEM); repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l subject -d 'The signer\'s certificate must have this subject: the common name, or all of it as in CN=x,O=y' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l san -d 'The signer\'s certificate must have this e-mail address, URI or DNS name' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l identity -d 'Trust this identity, vouched for by --issuer (keyless signatures)' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l issuer -d 'Who vouches for --identity' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l trusted-root -d 'Root of trust for keyless signatures: trusted_root.json (default: the public good instance\'s, built in)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l tensor -d 'Verify only this tensor, wherever it lies, and read nothing else; repeatable. Needs signed shards, or files signed with BLAKE3 and their outboards (FILE.obao) beside them' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l ignore -d 'Do not look at what is not listed under this path of the model; repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l config -d 'A policy file to trust (default: mverify.toml in the user\'s configuration folder)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l format -d 'Output format on standard output' -r -f -a "text\t'For people'
json\t'One JSON document (mverify.report/v1)'
jsonl\t'One JSON object per file as it is done, the summary last'
sarif\t'SARIF 2.1.0, for code scanning'
junit\t'JUnit XML: a test case per file'
github\t'Annotations of GitHub Actions, for standard output of a workflow step'
markdown\t'A summary table, as for $GITHUB_STEP_SUMMARY'"
complete -c mverify -n "__fish_mverify_using_subcommand verify" -s o -l output -d 'Also write a report to FILE; FORMAT:FILE chooses its format (default: json); repeatable' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l allow-symlinks -d 'Follow links to files inside the model, where it was signed with links'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l allow-legacy -d 'Read signatures of before version 1.0 too'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l ignore-unsigned -d 'Tolerate unsigned files that no loader acts on'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l no-config -d 'Read no policy file but that of --config'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l exit-zero -d 'Exit 0 also where the model is proven bad (never where something is not proven)'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l key -d 'The private key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l passphrase-fd -d 'Read the passphrase from an open file descriptor' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l cert -d 'The certificate of the key (PEM), to sign with a certificate' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l cert-chain -d 'Certificates between --cert and the root, each issued by the next; repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand sign" -s o -l output -d 'Where to write (default: PATH/model.sig for a directory, PATH.sig for a file)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l shards -d 'List digests of parts of SIZE bytes, so that a mismatch tells where' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l hash -d 'Hash: sha256, blake3 or blake2b' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l ignore -d 'Leave out this path of the model; repeatable. Verifiers must be told to ignore it too' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l force -d 'Replace a signature that is already there'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l allow-symlinks -d 'Follow links to files inside the model'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l compat-python -d 'Write what the Python client verifies where it differs from the specification'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l even-if-bad -d 'Sign even if the model\'s own scan is bad'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand sign" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand keygen" -s o -l output -d 'Where to write the private key; the public one goes beside it as FILE.pub' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand keygen" -l curve -d 'Curve: p256, p384 or p521' -r
complete -c mverify -n "__fish_mverify_using_subcommand keygen" -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand keygen" -l passphrase-fd -d 'Read the passphrase from an open file descriptor' -r
complete -c mverify -n "__fish_mverify_using_subcommand keygen" -l encrypt -d 'Encrypt the private key with a passphrase'
complete -c mverify -n "__fish_mverify_using_subcommand keygen" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -s o -l output -d 'The lock' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l torch -d 'Answer the weights_only question for this torch version; repeatable (default: the newest known)' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l manifest -d 'The signed manifest, as in model.sig (default: the one found beside or inside the model)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l key -d 'Trust this public key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l ca -d 'Trust signers with a certificate that leads to one of these (PEM); repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l subject -d 'The signer\'s certificate must have this subject: the common name, or all of it as in CN=x,O=y' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l san -d 'The signer\'s certificate must have this e-mail address, URI or DNS name' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l identity -d 'Trust this identity, vouched for by --issuer (keyless signatures)' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l issuer -d 'Who vouches for --identity' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l trusted-root -d 'Root of trust for keyless signatures: trusted_root.json (default: the public good instance\'s, built in)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l config -d 'A policy file to trust (default: mverify.toml in the user\'s configuration folder); the signers that it asks for are remembered' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l update -d 'Show what changed and write the lock anew'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l check -d 'Write nothing: show what changed since the lock was written, and exit 1 if anything did'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l allow-symlinks -d 'Follow links to files inside the model, where it was signed with links'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l allow-legacy -d 'Read signatures of before version 1.0 too'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l no-config -d 'Read no policy file but that of --config'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand lock" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l algo -d 'The algorithm of the names: blake3, sha256, sha512, blake2b-512' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand cas" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand cas" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand cas" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand cas" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l format -d 'Output format: text, json (mverify.diff/v1) or markdown, as for the comment on a pull request' -r -f -a "text\t'For people'
json\t'One JSON document (mverify.diff/v1)'
markdown\t'A page in Markdown'"
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l torch -d 'Answer the weights_only question for this torch version; repeatable (default: the newest known)' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l manifest -d 'The signed manifest, as in model.sig (default: the one found beside or inside the model)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l key -d 'Trust this public key (PEM; P-256, P-384 or P-521)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l ca -d 'Trust signers with a certificate that leads to one of these (PEM); repeatable' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l subject -d 'The signer\'s certificate must have this subject: the common name, or all of it as in CN=x,O=y' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l san -d 'The signer\'s certificate must have this e-mail address, URI or DNS name' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l identity -d 'Trust this identity, vouched for by --issuer (keyless signatures)' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l issuer -d 'Who vouches for --identity' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l trusted-root -d 'Root of trust for keyless signatures: trusted_root.json (default: the public good instance\'s, built in)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l exit-zero -d 'Exit 0 also where something changed (never where something could not be compared)'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l allow-symlinks -d 'Follow links to files inside the model, where it was signed with links'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l allow-legacy -d 'Read signatures of before version 1.0 too'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Show the policy files that apply to a path, which of them are trusted, and what holds'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and __fish_seen_subcommand_from check" -l config -d 'A policy file to trust (default: mverify.toml in the user\'s configuration folder)' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand policy; and __fish_seen_subcommand_from check" -l no-config -d 'Read no policy file but that of --config'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "check" -d 'Show the policy files that apply to a path, which of them are trusted, and what holds'
complete -c mverify -n "__fish_mverify_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l expect -d 'Fail on tensors that are missing, extra, reshaped or of another type than in FILE: an earlier inspection in JSON, or a map of tensor names to {"dtype": ..., "shape": [...]}' -r -F
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l threads -d 'Threads (default: one per core)' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-file-bytes -d 'Largest file that is read' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-entries -d 'Archive members, tensors and key-values of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-depth -d 'Archives within archives, pickles within pickles' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-header-bytes -d 'Largest header or pickle held in memory' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-decompressed-bytes -d 'Bytes produced by decompressing one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-ratio -d 'Decompressed bytes per compressed byte' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l max-ops -d 'Pickle opcodes of one file' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l timeout -d 'Stop after this many seconds; what was not finished is not proven' -r
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l json -d 'Print JSON, which --expect reads again'
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -l drop-cache -d 'Leave the system\'s page cache as it was found, as far as the system tells what was in it (Linux)'
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -s q -l quiet -d 'Print nothing but errors; the exit code tells'
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -s v -l verbose -d 'Show low and info findings too, and details of files that are ok'
complete -c mverify -n "__fish_mverify_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand explain" -l all -d 'Explain every rule'
complete -c mverify -n "__fish_mverify_using_subcommand explain" -l markdown -d 'Print Markdown, as in docs/rules.md'
complete -c mverify -n "__fish_mverify_using_subcommand explain" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand completions" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand man" -s h -l help -d 'Print help'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "check" -d 'Identify, check structure, scan, hash and compare with what is expected: one verdict per file'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "scan" -d 'Only: can loading it run code? (check without hashing)'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "hash" -d 'Print or check digests, as sha256sum and b3sum do'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "verify" -d 'Hold a model against a signed manifest (OpenSSF Model Signing)'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "sign" -d 'Sign a model (OpenSSF Model Signing)'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "keygen" -d 'Make a key to sign with'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "lock" -d 'Pin what a directory holds, in a file to review and to keep in git'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "cas" -d 'Recompute the name of every object of a content-addressed store'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "diff" -d 'What changed between two models: files, tensors, configuration, templates, what loading can do; nothing is loaded'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "policy" -d 'Which policy applies to a path, and why'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "inspect" -d 'Show what is inside: members, tensors, globals, and what vouches for it; nothing is loaded'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "explain" -d 'What a rule means, why it matters, what to do'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "completions" -d 'Print a completion script for a shell'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "man" -d 'Print the manual page of mverify, or of one of its commands'
complete -c mverify -n "__fish_mverify_using_subcommand help; and not __fish_seen_subcommand_from check scan hash verify sign keygen lock cas diff policy inspect explain completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mverify -n "__fish_mverify_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "check" -d 'Show the policy files that apply to a path, which of them are trusted, and what holds'
