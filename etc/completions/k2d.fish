# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_k2d_global_optspecs
    string join \n config= data-dir= h/help V/version
end

function __fish_k2d_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_k2d_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_k2d_using_subcommand
    set -l cmd (__fish_k2d_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c k2d -n "__fish_k2d_needs_command" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_needs_command" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_needs_command" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_needs_command" -s V -l version -d 'Print version'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "serve" -d 'Run the server'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "kubeconfig" -d 'Print a kubeconfig for the administrator'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "token" -d 'Make, list and revoke bearer tokens; print tokens of service accounts'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "backup" -d 'Copy objects, certificates and keys to a new folder, while k2d runs or not'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "restore" -d 'Put a backup in the place of what is there, while k2d does not run'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "reset" -d 'Remove all that this k2d has made, while it does not run'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "certs" -d 'Show the certificates, or make them anew'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "config" -d 'Print the configuration in force and where each value came from'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "doctor" -d 'Look for what keeps k2d from working, and say what to do'
complete -c k2d -n "__fish_k2d_needs_command" -f -a "version" -d 'Print versions'
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l listen -d 'Address and port to listen on (api.listen); may be given again' -r
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l engine -d '`auto`, `none` or the engine\'s socket (engine.socket)' -r
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l instance -d 'Name of this k2d on the engine (instance)' -r
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l node-name -d 'Name of the Node (node.name)' -r
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l log-level -d '`off`, `error`, `warn`, `info`, `debug` or `trace` (log.level)' -r
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand serve" -l api-only -d 'Serve the API and its store alone (api-only)'
complete -c k2d -n "__fish_k2d_using_subcommand serve" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand kubeconfig" -l server -d 'How the server is reached: a name or an address, with a port or without [default: the address of this machine]' -r
complete -c k2d -n "__fish_k2d_using_subcommand kubeconfig" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand kubeconfig" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand kubeconfig" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -f -a "create" -d 'Make a bearer token for a user and print it; it holds at once'
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -f -a "list" -d 'List the bearer tokens, without themselves'
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -f -a "revoke" -d 'Let a bearer token end at once'
complete -c k2d -n "__fish_k2d_using_subcommand token; and not __fish_seen_subcommand_from create list revoke account" -f -a "account" -d 'Print a token of a service account'
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from create" -s g -l group -d 'A group of the user; may be given again' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from create" -l expires -d 'How long it holds: a number with s, m, h or d, or `never`' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from create" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from create" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from list" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from list" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from revoke" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from revoke" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from account" -s n -l namespace -d 'Its namespace' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from account" -l duration -d 'How long the token holds, in seconds, at least 600' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from account" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from account" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand token; and __fish_seen_subcommand_from account" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand backup" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand backup" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand backup" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand restore" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand restore" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand restore" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand reset" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand reset" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand reset" -l yes -d 'Do it; without this flag it is only said what would be removed'
complete -c k2d -n "__fish_k2d_using_subcommand reset" -l volumes -d 'Remove the data of claims, too'
complete -c k2d -n "__fish_k2d_using_subcommand reset" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand certs; and not __fish_seen_subcommand_from show renew" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand certs; and not __fish_seen_subcommand_from show renew" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand certs; and not __fish_seen_subcommand_from show renew" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand certs; and not __fish_seen_subcommand_from show renew" -f -a "show" -d 'Show the certificates (this is done without a word, too)'
complete -c k2d -n "__fish_k2d_using_subcommand certs; and not __fish_seen_subcommand_from show renew" -f -a "renew" -d 'Make the server\'s and the administrator\'s certificates anew'
complete -c k2d -n "__fish_k2d_using_subcommand certs; and __fish_seen_subcommand_from show" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand certs; and __fish_seen_subcommand_from show" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand certs; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand certs; and __fish_seen_subcommand_from renew" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand certs; and __fish_seen_subcommand_from renew" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand certs; and __fish_seen_subcommand_from renew" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand config" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand config" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand config" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand doctor" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand doctor" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c k2d -n "__fish_k2d_using_subcommand version" -l config -d 'Configuration file [default: /etc/k2d/k2d.toml]; files in the folder FILE.d follow' -r -F
complete -c k2d -n "__fish_k2d_using_subcommand version" -l data-dir -d 'Where state and certificates are kept (data-dir)' -r
complete -c k2d -n "__fish_k2d_using_subcommand version" -s h -l help -d 'Print help'
