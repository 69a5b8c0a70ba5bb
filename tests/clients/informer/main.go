// An informer of client-go on ConfigMaps, for tests/clients/informer.py: it prints what its handlers are told, and every
// request that reaches the wire, one JSON object a line. It ends when its standard input does.
//
//	informer KUBECONFIG NAMESPACE
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var printing sync.Mutex

func say(line map[string]any) {
	printing.Lock()
	defer printing.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

// wire tells of each request before it goes out and of the answer's status.
type wire struct{ inner http.RoundTripper }

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := w.inner.RoundTrip(request)
	line := map[string]any{"request": request.URL.Query(), "accept": request.Header.Get("Accept")}
	if err != nil {
		line["error"] = err.Error()
	} else {
		line["status"] = answer.StatusCode
		line["type"] = answer.Header.Get("Content-Type")
	}
	say(line)
	return answer, err
}

func client(kubeconfig string) (*rest.RESTClient, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return wire{inner} })
	return rest.RESTClientFor(config)
}

func tell(event string, object any) {
	if gone, missed := object.(cache.DeletedFinalStateUnknown); missed {
		event, object = event+" unseen", gone.Obj
	}
	if one, good := object.(*corev1.ConfigMap); good {
		say(map[string]any{"event": event, "name": one.Name, "n": one.Data["n"], "version": one.ResourceVersion})
	} else {
		say(map[string]any{"event": event, "odd": fmt.Sprintf("%T", object)})
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: informer KUBECONFIG NAMESPACE")
		os.Exit(2)
	}
	rest, err := client(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	source := cache.NewListWatchFromClient(rest, "configmaps", os.Args[2], fields.Everything())
	informer := cache.NewSharedIndexInformer(source, &corev1.ConfigMap{}, 0, cache.Indexers{})
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { tell("add", object) },
		// A new list tells of everything again, as an update to the same version.
		UpdateFunc: func(before, object any) {
			old, known := before.(*corev1.ConfigMap)
			if one, good := object.(*corev1.ConfigMap); !good || !known || one.ResourceVersion != old.ResourceVersion {
				tell("update", object)
			}
		},
		DeleteFunc: func(object any) { tell("delete", object) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := context.WithCancel(context.Background())
	go informer.RunWithContext(ctx)
	if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		say(map[string]any{"synced": len(informer.GetStore().List())})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	time.Sleep(50 * time.Millisecond)
	names := informer.GetStore().ListKeys()
	say(map[string]any{"store": names})
}
