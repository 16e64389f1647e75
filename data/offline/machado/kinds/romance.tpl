# A novel: {moco}, {moca}, D. {viuva}, {velho}, {amigo}, {padre}, the house in {casa}, and a thing, {obj}.
plan: abre encontro casa conversa interludio carta casa baile ciume conversa viagem carta interludio doenca encontro ciume baile confissao fim
plan: abre casa encontro baile conversa carta interludio casa viagem ciume encontro conversa doenca interludio carta baile ciume confissao fim
plan: abre casa conversa encontro viagem interludio carta doenca casa baile conversa ciume interludio encontro carta viagem baile confissao fim
let: dest = {@longe}
== abre.titulo
- Em que se abre a porta
- Onde tudo começa
- O primeiro degrau
- Das origens
- Um homem e seu chapéu
- Antes do começo
== abre.corpo
- {#quando} {#moco1} {#moco2} {#moco2} {#moco3} / {#casa1} {#casa2} {#casa2} {#clima} / {#leitor} {#dito} / {#obj1} {#obj2} {#moca2} / {#remate}
- {#leitor} {#quando} / {#moco1} {#moco2} {#dito} {#moco3} / {#obj1} {#obj2} / {#velho1} {#velho2} {#velho2} / {#casa1} {#casa2} {#remate}
== encontro.titulo
- Um chapéu no ar
- Encontro à porta de uma igreja
- O acaso faz visita
- Olhos com pressa
- Entre duas chuvas
- Vinte passos
- A fita azul
== encontro.corpo
- {#clima} {#anda} {#anda} / {#moca1} {#moca2} {#moca2} / {#olhar} {#olhar} / {#troca} {#dito} / {#pensa} {#pensa} {#leitor} / {#remate}
- {#anda} {#rua} / {#olhar} {#moca1} {#moca2} / {#troca} / {#troca} / {#pensa} {#citacao} / {#pensa} {#clima} {#remate}
== casa.titulo
- A sala e seus retratos
- Chá e torradas
- Gente de casa
- O voltarete
- Uma cadeira vaga
- Os domingos
- Quinze a zero
- Inventário de uma sala
== casa.corpo
- {#casa1} {#casa2} {#casa2} / {#viuva1} {#viuva2} {#viuva2} / {#velho1} {#velho2} {#leitor} / {#serao} {#serao} / {#troca} / {#obj2} {#remate}
- {#clima} {#serao} {#serao} {#dito} / {#viuva1} {#viuva2} / {#padre1} {#padre2} {#padre2} / {#disputa} / {#moca2} {#serao} {#remate}
== conversa.titulo
- Conselhos
- Dois charutos
- Conversa de rapazes
- O que disse um amigo
- Filosofia de café
- No terraço do hotel
- À sombra da mangueira
- Entre o café e o licor
== conversa.corpo
- {#amigo1} {#amigo2} {#amigo2} / {#confia} / {#dito} {#amigo2} / {#disputa} / {#pensa} {#rua} {#remate}
- {#anda} {#amigo1} {#amigo2} / {#confia} / {#confia} / {#citacao} {#pensa} / {#leitor} {#remate}
== interludio.titulo
- Que o leitor pode saltar
- Parêntesis
- Capítulo sem gente
- Reflexões de um relógio
- Onde o autor respira
- De como não acontece nada
- Uma nota à margem
== interludio.corpo
- {#leitor} {#dito} {#citacao} / {#memoria} {#memoria} / {#dito} {#leitor} / {#rua} {#obj2}
- {#memoria} {#citacao} / {#rua} {#rua} {#dito} / {#leitor} {#clima} {#remate}
== carta.titulo
- O sobrescrito
- Três linhas e um borrão
- Carta fechada
- A posta-restante
- Lacre verde
- Papel de luto
- Letra miúda
== carta.corpo
- {#clima} {#recebe} {#recebe2} / {#carta1} / {#pensa} {#pensa} {#dito} / {#leitor} / {#obj2} {#gasta} {#remate}
- {#recebe} {#recebe2} {#recebe2} / {#carta1} / {#confia} / {#gasta} {#citacao} / {#pensa} {#remate}
== baile.titulo
- A valsa
- Luvas e leques
- Cinquenta velas
- O cotilhão
- Música ao fundo
- Uma contradança
- Entre dois espelhos
== baile.corpo
- {#baile1} {#baile2} {#baile2} / {#moca1} {#baile2} / {#troca} / {#troca} / {#viuva2} {#velho2} {#amigo2} / {#dito} {#pensa} / {#remate}
- {#clima} {#baile1} {#baile2} / {#olhar} {#olhar} {#leitor} / {#troca} / {#ciume1} {#ciume1} / {#baile2} {#citacao} {#remate}
== ciume.titulo
- Uma sombra na parede
- Aritmética do ciúme
- O terceiro
- Dois chapéus no cabide
- Suspeitas
- Venenos de farmácia
- O lenço
== ciume.corpo
- {#ciume1} {#ciume1} {#dito} / {#anda} {#ciume1} / {#troca} / {#pensa} {#pensa} {#leitor} / {#gasta} {#clima} {#remate}
- {#pensa} {#ciume1} / {#confia} / {#ciume1} {#obj2} / {#citacao} {#ciume1} / {#leitor} {#remate}
== doenca.titulo
- Caldos e visitas
- O médico recomenda ares
- Trinta e nove graus
- À cabeceira
- Convalescença
- O vidro de xarope
== doenca.corpo
- {#doente1} {#doente2} {#doente2} / {#viuva2} {#padre2} {#clima} / {#troca} / {#doente2} {#dito} / {#gasta} {#memoria} {#remate}
- {#clima} {#doente1} {#doente2} / {#padre1} {#padre2} / {#pensa} {#doente2} / {#disputa} / {#leitor} {#remate}
== viagem.titulo
- A bordo
- Ares da serra
- Malas
- O paquete
- Da corte à roça
- Poeira da estrada
- Adeuses
== viagem.corpo
- {#parte1} {#parte2} {#parte2} / {#clima} {#memoria} / {#parte2} {#pensa} / {#carta1} / {#dito} {#gasta} {#remate}
- {#confia} / {#parte1} {#parte2} / {#pensa} {#parte2} {#citacao} / {#leitor} {#obj2} {#remate}
== confissao.titulo
- Enfim
- No jardim
- O que se disse à meia-voz
- Duas verdades
- A janela aberta
- Meia confissão
== confissao.corpo
- {#clima} {#moca1} {#moca2} / {#confessa} / {#confessa} / {#dito} {#leitor} / {#olhar} {#obj2} / {#remate}
- {#pensa} {#anda} / {#moca2} {#olhar} / {#confessa} / {#troca} / {#viuva2} {#citacao} {#remate}
== fim.titulo
- Em que a porta se fecha
- Último
- Contas ajustadas
- Depois
- Fecho
- O resto é silêncio de casa
- A chave
== fim.corpo
- {#clima} {#confessa} / {#fim1} {#fim2} / {#viuva2} {#velho2} {#fim2} / {#leitor} {#dito} / {#objfim} {#fim3}
- {#pensa} {#gasta} / {#fim1} {#fim2} {#fim2} / {#memoria} {#dito} / {#amigo2} {#objfim} / {#fim3}
== quando
- Foi em 18[4|5|6|7][1|3|4|6|8|9], por [uma manhã|uma tarde|uma noite] de {@mes}, que [esta história|o nosso caso|este drama sem sangue] [principiou|abriu os olhos|deu o primeiro passo].
- Principio por uma [porta|escada|janela] {@aberta} em {o rua}; atrás dela estava {moco}.
- A história que vou contar coube toda entre {um dia} e {um dia}; é verdade que levou {@prazo} a [amadurecer|pôr-se de pé|achar dono].
== moco1
- {moco} [tinha|contava|orçava por] {@jovem}, [era|mostrava-se|saíra] {~m fisico} e {~m moral}, e {@hab}.
- {moco} não era [bonito nem feio|rico nem pobre|santo nem réprobo]; era {~m moral}, {~m fisico}, [filho|neto|afilhado] de {@ele}, e {@hab}.
- [Imagine|Figure] a leitora um rapaz {~m fisico}, {~m moral}, [bacharel|médico sem doentes|oficial de secretaria|herdeiro em expectativa], com {um coisa} [na mão|debaixo do braço|na algibeira]: é {moco}.
== moco2
- Ali pelos {@jovem} tentara {@inf}; [saiu-se mal|desistiu a meio|ficou no prólogo], e tratou de {@inf}.
- [Herdara|Recebera|Conservava] do [pai|avô|padrinho] {um coisa}, {@soma} e {o ideia}; [gastou|perdeu|empenhou] tudo em {@prazo}.
- Tinha {o ideia} de um [frade|alferes|ator] e {o ideia} de um [colegial|fidalgo|poeta].
- {^@ela} [costumava dizer|jurava|escrevera a alguém] que {moco} acabaria [ministro|frade|deputado|solteiro|em {@longe}], por causa de {o ideia}.
== moco3
- Nesse [dia|tempo|inverno], [andava|vivia|achava-se] {~m humor}: queria {@inf} e não [sabia como|tinha com que|ousava].
- A [ideia|mania|ambição] de {@inf} [entrara-lhe no|pousara-lhe no|não lhe saía do] [espírito|cérebro|chapéu] {@comp}.
- Vivia só com {um bicho} {.velho}, {um traste} e {um oficio} que servia de [mãe|criado|confessor].
== casa1
- A casa de D. {viuva} [ficava|era|escondia-se] {casa}, [entre mangueiras|atrás de um muro {~m feitio}|ao pé de uma ladeira]; tinha [sete|nove|onze] janelas e {um traste} [{.famoso}|{.velho}|de família].
- {^casa} [vivia|morava|reinava] D. {viuva}, numa casa {~f feitio} e {~f feitio}, onde {@som} chegava [sem pedir licença|coado pelas árvores|como parente].
- [Entremos|Convido a leitora a entrar] na casa {casa}; [limpe os pés|cuidado com o degrau|não toque em nada]: [à direita|ao fundo|no corredor] está {um traste}, [à esquerda|na alcova|sob a escada] {um traste}.
== casa2
- Sobre {o traste} [dormia|brilhava|pousava], desde [tempos|a Maioridade|a morte do marido], {um coisa}, ao lado de {um coisa}.
- Nas paredes, retratos: {@ele}, {~m humor}, e {@ela}, com {um flor} no cabelo.
- O jardim era {~m feitio}; criava {o flor}, {o flor} e, [por milagre|contra a vontade do jardineiro|às vezes], {o flor}.
- Cheirava a {n flor} e a {n doce}, e ouvia-se {@som}.
- A mobília, forrada de {n tecido} {~cor}, assistira a [duas regências|três batizados|muito voltarete] e [calava-se|rangia] {@comp}.
== obj1
- Foi então que [apareceu|entrou na história|saiu de uma gaveta] {obj}: [velho conhecido|presente|herança] de {@ele}, [ficara|andara|dormira anos] em {o traste}.
- [Falta falar|É tempo de falar|Não disse ainda] de {obj}. Ficava {em o traste}, entre {o coisa} e {o coisa}, [e ninguém lhe fazia caso|e pesava na sala|como coisa sem dono].
== obj2
- {^obj}, entretanto, [lá estava|não mudara de lugar|esperava], {em o traste}, {@comp}.
- [Ninguém|Nem {velho}] [reparava|pensava|punha os olhos] em {obj}, exceto {@ela}, que {@hab}.
- Dando com os olhos em {obj}, {moca} {@gesto}, {@circ}; [coincidência|nervos|talvez {o ideia}].
- {^velho} [quis|propôs-se|mandou] [vender|avaliar|consertar] {obj}: ofereceram-lhe {@soma}. {^velho} {@gesto} e {@gesto}.
== velho1
- {^velho} [passava por|era|tinha fama de] {~m moral} e {~m moral}; {@hab}, e não largava {um coisa}.
- Cabe aqui {velho}: {@idoso}, segundo a certidão, muitos mais segundo {@ela}; {~m fisico}, {~m moral}, [viúvo|solteirão|aposentado], {@hab}.
== velho2
- {^velho} só acreditava em {o ideia} e em {o prato}.
- Na opinião de {velho}, {@tese}; fora disso, tudo era {o ideia} e [poeira|fumaça|conversa].
- {^velho} dormitava, com {o coisa} nos joelhos, e acordava para dizer mal de {@tema}.
- {^velho} {@gesto}, {@circ}, e repetiu pela [décima|vigésima|centésima] vez o caso de {@ele}, que quisera {@inf}.
== padre1
- {^padre} [entrava|aparecia|vinha] {@hora}, {~m fisico} e {~m humor}, [pedia|aceitava|cheirava] {o doce} e falava de {@tema}.
- {^padre} era homem {~m moral} e [bom garfo|grande latinista]; {@hab}.
== padre2
- {^padre} {@gesto}, [citou|invocou|torceu] {@cantou}, e rematou que {@tese}.
- — [Filho|Filha|Meus amigos], {@diz} {padre} {@circ}, {@tese}.
- {^padre} perdia ao gamão [com igual serenidade|com pequenos gritos|sem olhar os dados], e {@gesto} {@comp}.
== viuva1
- D. {viuva} enviuvara aos {@jovem}, e [guardava do marido|do marido restava-lhe|o finado deixou-lhe] {um coisa}, {@soma} e {o ideia}.
- D. {viuva} era pessoa {~f fisico}, {~f moral} e {~f moral}; {@hab}.
- Das virtudes de D. {viuva}, a mais visível era {o ideia}, que ela [punha em tudo|servia às visitas|trazia ao pescoço], {@comp}.
== viuva2
- D. {viuva} {@gesto}, {@circ}; [a sala|{padre}|toda a gente] [compreendeu|fingiu não ver|falou de {@tema}].
- D. {viuva} [não queria|não admitia|temia] {o ideia} em casa; [bastava-lhe|preferia|tolerava] {o ideia}.
- [Todas as tardes|Depois da missa|Em dias de visita], D. {viuva} mandava servir {o doce} e perguntava por {@ela}.
- — [Menina|{moca}], {@diz} D. {viuva} {@circ}, [vê se|repara se|vai saber se] {o oficio} [já veio|trouxe {o coisa}|quer {o doce}].
== moca1
- {moca} trazia [um vestido|um corpinho|uma saia] de {n tecido} {~cor} e {um flor} no [cabelo|seio|cinto]; parecia {~f humor}.
- {moca} tinha [vinte|dezenove|dezoito|vinte e dois] anos, uns olhos [castanhos|negros|cor de mel|claros] e {o ideia} de quem [nunca pediu nada|lê às escondidas|cresceu entre velhos].
- {moca} não era das que [desmaiam|suspiram|bordam e esperam]; {~f fisico}, {~f moral}, {@hab}.
== moca2
- {moca} {@gesto}, {@circ}.
- {moca} fingia ouvir {@som}, e [brincava com|apertava|mirava] {o coisa}.
- Havia nela {o ideia} de [criança|rainha|viúva], {.misturado} com {o ideia}; daí [os suspiros|aquele riso|as janelas fechadas].
- Às vezes, {moca} sonhava em {@inf}; outras vezes, {@gesto}, {~f humor}.
- Aprendera {@musica} e {@musica}; o resto aprendeu-o [com {@ela}|nos romances|sem mestre].
== anda
- {moco} [atravessou|percorreu|seguiu por] {o rua}, {~m humor}, com tenção de {@inf}.
- {^@hora}, {moco} [saiu de|entrou em|parou à porta de] {o sitio}, com {um coisa} debaixo do braço.
- {moco} [comprou|olhou|regateou] {um coisa} na loja de {@ele}, [por distração|para matar o tempo|sem precisar {.dele}], e seguiu [assobiando|a cantarolar] {@musica}.
== olhar
- Os olhos de ambos encontraram-se {@comp}; [foi um instante|nada mais|durou o tempo de um amém].
- {moca} inclinou a cabeça; {moco} [entendeu|supôs|quis ler nisso] {o ideia}, onde talvez houvesse {o ideia}.
- {moco} {@gesto}, {@circ}, e {moca} {@gesto}.
== troca
- — [Já se vai|Está {~f humor}|Não dança hoje|Gosta de {@musica}|Esperava alguém]? {@perg} {moco}. / — [Eu? Não|Talvez|Um pouco|Conforme|Pergunte a {padre}], {@diz} {moca} {@circ}. / — [Pois eu|Também eu|Ah! eu] [vim só para|ando a|queria] {@inf}. / {moca} {@gesto}.
- — O doutor acredita em {o ideia}? {@perg} {moca}, {@circ}. / — [Segundo a hora|Com reservas|Desde ontem], {@diz} {moco}; {o ideia} é {@como}. / — [Que ideia|Parece livro|É bonito; mas é falso]! / E {@gesto}.
- — Sonhei com {o coisa}, {@diz} {moca}. / — [E então|Mau|Bom sinal|Que mais]? / — [Mais nada|Acordei|Era {.seu}]. Ouvia-se {@som}. / {moco} {@gesto}.
- — Sabe o que me disse {@ele}? / — [Que foi|Algum segredo]? / — Que a senhora [pensa em|quer|prometeu] {@inf}. / {moca} {@gesto}, {@circ}; em seguida: — [E o senhor acreditou|E se fosse verdade|Ele mente pouco]?
- — Olhe {o flor}, {@diz} {moca}; [ontem|há {@prazo}] [era botão|ninguém a via|estava fechada]. / — Quem dera {o ideia}! {@diz} {moco} {@circ}. / {moca} {@gesto}.
== pensa
- {moco} pensou em {@inf}; dali a pouco, em {@inf}; ao cabo, [dormiu|não fez nada|acendeu um charuto].
- “[Amanhã|Hoje mesmo|Antes de sábado]”, dizia consigo, “hei de {@inf}”; e {@gesto}.
- Que vale {o ideia}, cogitava {moco}, ao pé disto, senão {@como}?
- Nessa noite, {moco} sonhou: {o bicho} de D. {viuva} recitava-lhe {@livro}, e {moca} {@gesto}.
- Duas [razões|vozes] lhe acudiam: {o ideia}, que aconselhava {@inf}, e {o ideia}, que preferia {@inf}.
== serao
- Jogava-se o voltarete; {velho} [perdia|ganhava|adormecia], {@ela} [bordava|cochilava|dizia mal do próximo], e {moca} estudava ao piano {@musica}.
- Serviu-se {o prato}, depois {o doce}; conversaram de {@tema}, de {@tema} e, à sobremesa, de {@ele}.
- {^@ela} [recitou|cantou|assassinou] {@musica}; {@ele} {@gesto}, e os velhos [aplaudiram|suspiraram|pediram bis].
- [Vieram|Apareceram] {@ele}, com {um coisa}, e {@ela}, {~f humor}, que {@hab}.
== disputa
- — {^@tese}, {@diz} {velho}. / — [Nego|Distingo|Perdão], {@diz} {padre}: {@tese}. / Ficaram nisto até que {@som} [os separou|os reconciliou|anunciou o chá].
- — Aposto {@soma}, {@diz} {amigo}, como nenhum dos senhores [é capaz de|ousa] {@inf}. / — [Aceito|Vai feito|Era melhor {@inf}], {@diz} {padre}. D. {viuva} {@gesto}.
== amigo1
- {amigo} dizia-se {~m moral}, {~m fisico} e [deputado provincial|poeta nas horas vagas|redator de {o jornal}|advogado sem causas]; {@hab}.
- {amigo} chegou {@hora}, {~m humor}, com {@livro} debaixo do braço e {um flor} na botoeira.
== amigo2
- Na teoria de {amigo}, {@tese}, e daí convinha {@inf}.
- [Gabava-se {amigo}|Acusavam {amigo}] de haver [amado três primas|perdido duas eleições|vendido um cavalo] por causa de {o ideia}.
- {amigo} {@gesto}, bebeu [um conhaque|outro café|um grogue] e discorreu longamente sobre {@tema}.
== confia
- — [Que tens|Que cara é essa|Amas]? {@perg} {amigo}, {@circ}. / — [Nada|Não durmo|Receio que sim|Há {@prazo}], {@diz} {moco}. / — Tens dois remédios: {@inf}, ou {@inf}. / {moco} {@gesto}.
- — Escuta, {@diz} {amigo}: {o ideia} é {@como}. [Casa-te|Viaja|Espera]; no mínimo, acabarás por {@inf}. / — [E {moca}|E se ela]? / — Essa, [meu caro|meu velho|meu poeta], prefere {@inf}. E {@gesto}.
- — Se fosses {~m moral}, {@diz} {amigo}, já [terias|podias] ido até {@longe}. / — Para quê? / — Para {@inf}. Ambos riram; {em o rua} [rodava um carro|ladrava um cão|passou {@ele}].
== recebe
- {^@hora}, {o oficio} entregou a {moco} uma carta {~f feitio}, com lacre {~m cor}, que rescendia a {n flor}.
- [Um moleque|O correio|Um desconhecido] deixara, {em o traste}, uma carta para {moco}; o sobrescrito parecia de [mulher|{@ele}|mão {~f humor}].
== recebe2
- {moco} releu-a [duas|três|seis] vezes, [na escada|à luz do lampião|de pé]; {@gesto}, e guardou-a em {@livro}.
- Não a abriu logo: primeiro, {@gesto}, {@gesto}, e pensou em {@inf}.
== carta1
- “[Meu amigo|Senhor|Meu caro]: [não volte|não apareça|venha] antes de {@dia}. [Titia|Mamãe|D. {viuva}] [desconfia|chora|quer {@inf}], e {o ideia} me impede de dormir. [Guarde|Queime|Devolva] {o coisa}. — {moca}.”
- “Saberá que em {dest} {@agora}, e que penso em {@inf}. Encontrei {@ele}; falamos de {@tema}. [Recomende-me|Lembranças] a {@ela}. {^o ideia}, [creia|acredite], é {@como}.”
- “Rogo-lhe {@soma} e {o ideia}. Se não puder, empreste-me {o coisa}, que [pagarei|restituirei] [em {@prazo}|no dia de São Nunca|quando Deus quiser]. Seu — {amigo}.”
== gasta
- [Passaram-se|Correram|Voaram] {@prazo}; {moco} {@gesto}, [D. {viuva}|{velho}] {@gesto}, e {o ideia} ficou.
- {^@prazo} mais tarde, ainda se dizia {em o rua} que {moco} [queria|tentara|ia] {@inf}.
- Entrou {@mes}, com {o flor}, e passou {@mes}, com {@doenca}.
== baile1
- O baile de {@ela} foi [o sucesso|o escândalo] de {@mes}: [duzentas velas|três orquestras|um repuxo de champanha|sessenta casais], {o prato} e {o doce}.
- Dançava-se em casa de {@ele}, {@onde}; {@tempo}, e [os carros|as seges] [enchiam|paravam em] {o rua}.
== baile2
- [Um leque|Um lenço|Um brinco] caiu; apanhou-o {@ele}, que {@hab}, e {@gesto} {@comp}.
- {^@ela}, de {n tecido} {~cor}, valsava com {@ele}; cochichava-se que queriam {@inf}.
- [Tocaram|A orquestra atacou] {@musica}; {@ele} {@gesto}, e {moca} perdeu [a luva|o compasso|uma fita].
- [No bufete|À ceia], {o prato} [disputava|dividia] as honras com {o doce}; o {@cargo} {@apelido} discursava {@comp}.
== ciume1
- {^@noivo} vinha muito à casa, levava {o flor} a {moca}, e {@hab}.
- {moco} [contou|mediu|pesou] os [sorrisos|passos|minutos]: [três|cinco|sete] para {@noivo}, [dois|um|nenhum] para ele; e {@gesto}.
- Para que [queria|guardava|pedira] {@ele} {o coisa} de {moca}? perguntava ao travesseiro. Nada, segredava {o ideia}.
- Uma tarde, viu {em o traste} {um coisa} que não conhecia; {@gesto}, {@circ}, e suspeitou de {@ele}.
== doente1
- Em {@mes}, {moca} adoeceu: o médico disse {@doenca}; {velho}, com melhor latim, dizia {o ideia}.
- {moco} apanhou {@doenca}; D. {viuva} mandou-lhe {o doce}, {padre} [um conselho|{@livro}], {amigo} {o coisa}.
== doente2
- O médico, {~m fisico} e {~m moral}, proibiu {o prato}, {@livro} e {o ideia}.
- [Vinham|Entravam] recados: {@ele} trazia {o flor}; {@ela}, {o doce}; {@ele}, {@tema}.
- Delirando, via {@vista}, {o bicho}, {o coisa}, tudo a valsar {@comp}.
- De madrugada, velava à cabeceira {@ela}, que {@hab}, e {@gesto} a cada badalada.
== parte1
- {moco} embarcou para {dest} {em o dia}, {@hora}, com {@livro}, {um coisa} e {o ideia}.
- Decidiu-se a viagem a {dest}: [ares|negócios|uma herança]; quem chorou foi {@ela}, que {@hab}.
== parte2
- [A bordo|No trem|Na estrada], viajou com {@ele}, {~m moral}, que queria {@inf}.
- Em {dest}, {@tempo}; não se falava senão de {@tema} {@comp}.
- Longe, {moca} tornou-se [mais {~f moral}|maior|menos real]: {o ideia} [aumenta|corrige] o que {o ideia} apaga.
- Visitou [a igreja|o teatro|a fazenda] de {dest}, comprou {um coisa}, e {@gesto} {@comp}.
== confessa
- — E se eu lhe dissesse que a amo? {@perg} {moco} {@circ}. / {moca} {@gesto}, e depois {@gesto}. / — [Não diga|Diga outra vez|Era melhor {@inf}], {@diz} ela; ouve {@som}?
- — Então por que [não respondeu|fugiu|mandou {o coisa}]? / — De {puro ideia}, {@diz} {moca}. E o senhor queria {@inf}... / — Queria, {@diz} {moco}; e agora só quero {@inf}.
- — Faz {@prazo}, {@diz} {moca} {@circ}, que [espero|adivinho] essa palavra. / — E a sua resposta? / {moca} {@gesto}; {@tempo}.
== fim1
- {moco} e {moca} casaram-se em {@mes}, em {o sitio}; chovia, {padre} enganou-se no latim, e D. {viuva} {@gesto}.
- {moca} casou com {@noivo}, {@hora}, em {@mes}; {moco} enviou {um flor}, {@gesto}, e partiu para {@longe}.
- Não se casaram. {moca} vive {casa}, com {o bicho} e {o ideia}; {moco} fez-se [deputado|juiz|barão], e {@hab}.
== fim2
- {^velho} morreu de {@doenca}, [legando|deixando] {um coisa} a {@ela}, {@soma} a {o oficio}, e {o ideia} ao país.
- {amigo} entrou para [a diplomacia|o senado|um banco]; dali escreve que {@tese}.
- D. {viuva} alugou a casa {casa} a {@ele}, que deu {@soma}; guardou {o traste}.
== objfim
- E {obj}? perguntará a leitora. Foi parar em casa de {@ela}, {em o traste}, ao lado de {o coisa} e de {o coisa}.
- {^obj} acabou em leilão, {em o rua}; deram por {obj} {@soma}, e arrematou tudo {o oficio}, que {@hab}.
== fim3
- Nada mais, leitor; [apague a vela|feche o livro|boa noite]. {^o ideia} é {@como}.
- Aqui acaba a história; se é curta, queixe-se de {o ideia}, {@complem}.
- {moco} costuma dizer que {@tese}. Pode ser; mas quem o diz {@presente}.
== remate
- — [Veremos|Pois sim|Assim seja|É cedo], {@diz} {velho}, {@circ}.
- Foi o [primeiro|segundo|último] [erro|passo|aviso] de {o ideia}.
- Desta maneira terminou {@dia}; [a noite foi longa|ninguém dormiu|ceou-se tarde].
- {^@som} [fechou o|pôs ponto ao|cobriu o] capítulo {@comp}.
- A explicação, sabê-la-á a leitora [adiante|no capítulo seguinte|quando for tempo]; {@tempo}.
