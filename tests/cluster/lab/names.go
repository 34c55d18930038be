package main

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// zone is the end of every name that is known here.
const zone = ".svc.cluster.local."

// ttl is for how many seconds an answer may be remembered.
const ttl = 5

// namesCommand answers pods that ask for NAME.NAMESPACE.svc.cluster.local: the address of a Service. That is all the
// names there are: none of pods, none of the world outside.
func namesCommand() *cobra.Command {
	var kubeconfig, listen string
	command := &cobra.Command{
		Use:          "cluster-names",
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return serveNames(command.Context(), kubeconfig, listen)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how the API server is reached")
	command.Flags().StringVar(&listen, "listen", "", "address and port, over UDP")
	return command
}

func serveNames(ctx context.Context, kubeconfig, listen string) error {
	if ctx == nil {
		ctx = context.Background()
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services().Lister()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	socket, err := net.ListenPacket("udp", listen)
	if err != nil {
		return err
	}
	defer socket.Close()
	buffer := make([]byte, 4096)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if reply, err := answer(buffer[:n], services); err == nil {
			// Who asked asks again if this is lost.
			_, _ = socket.WriteTo(reply, from)
		}
	}
}

// answer makes the reply to one query. An error: it is not a query, and nobody waits for anything.
func answer(query []byte, services listers.ServiceLister) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	address, known := addressOf(question.Name.String(), services)
	code := dnsmessage.RCodeSuccess
	if !known {
		code = dnsmessage.RCodeNameError
	}
	builder := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: header.ID, Response: true, Authoritative: true, RCode: code,
		RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	})
	if err := builder.StartQuestions(); err != nil {
		return nil, err
	}
	if err := builder.Question(question); err != nil {
		return nil, err
	}
	if err := builder.StartAnswers(); err != nil {
		return nil, err
	}
	// A Service without an address, or asked for one of another kind, is known and has no answer.
	if address.Is4() && question.Type == dnsmessage.TypeA {
		resource := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: ttl}
		if err := builder.AResource(resource, dnsmessage.AResource{A: address.As4()}); err != nil {
			return nil, err
		}
	}
	return builder.Finish()
}

// addressOf finds the Service that a name means.
func addressOf(name string, services listers.ServiceLister) (netip.Addr, bool) {
	below, ok := strings.CutSuffix(strings.ToLower(name), zone)
	service, namespace, two := strings.Cut(below, ".")
	if !ok || !two || strings.Contains(namespace, ".") {
		return netip.Addr{}, false
	}
	found, err := services.Services(namespace).Get(service)
	if err != nil {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(found.Spec.ClusterIP)
	if err != nil {
		return netip.Addr{}, true
	}
	return address, true
}
