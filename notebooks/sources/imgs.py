import nbformat,sys,base64,os
from PIL import Image; import io
nb=nbformat.read(sys.argv[1],4); ims=[]
for i,c in enumerate(nb.cells):
    for o in c.get("outputs",[]):
        if "image/png" in o.get("data",{}): ims.append((i,Image.open(io.BytesIO(base64.b64decode(o["data"]["image/png"]))).convert("RGB")))
os.makedirs(sys.argv[2],exist_ok=True)
for k in range(0,len(ims),4):
    g=ims[k:k+4]; w=max(a[1].width for a in g); h=sum(a[1].height+10 for a in g)
    s=Image.new("RGB",(w,h),"grey"); y=0
    for i,a in g: s.paste(a,(0,y)); y+=a.height+10
    s.save(f"{sys.argv[2]}/sheet{k//4}.png"); print([i for i,_ in g], s.size)
